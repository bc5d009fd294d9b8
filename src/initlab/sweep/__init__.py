"""From the command line to the cells of a grid."""
