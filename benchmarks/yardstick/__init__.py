"""The yardstick: the same networks and recipes in the ordinary way, one process per run.

What a competent user of a Lightning template writes: a LightningModule, torchvision's transforms on PIL
images behind torch's DataLoader, torch's weight norm and SGD, a CSV logger, one checkpoint. What costs time
and that a careful user turns off is off: progress bar, summary, sanity check. Nothing here uses the package
that is measured against it, but for the import that lets a CPU-only torch load torchvision.
"""
