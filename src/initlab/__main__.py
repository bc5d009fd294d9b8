"""``python -m initlab list | status | show | report``."""

from initlab.cli.app import app

if __name__ == "__main__":
    app(prog_name="python -m initlab")
