"""python -m sentiment_hf: the installed command, where its script is not on the path."""

from sentiment_hf.cli import main

if __name__ == "__main__":
    main()
