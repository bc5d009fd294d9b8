"""Train, or with ``-m`` sweep: ``python train.py model=wrn init=proposed lr=0.1 -m seed=0-19``."""

from initlab.cli.train import main

if __name__ == "__main__":
    main()
