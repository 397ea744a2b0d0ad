"""`python -m toolwright`: the command line."""

from toolwright.cli import main

if __name__ == "__main__":
    main()
