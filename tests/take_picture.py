"""Take the README's picture: the top of a run's page, by the tests' browser.

python tests/take_picture.py <run folder> docs/report.png
"""

import sys
from pathlib import Path

from browsing import browser, why_not

SIZE = (1200, 2040)


def main() -> None:
    run, picture = Path(sys.argv[1]), Path(sys.argv[2])
    if why_not():
        sys.exit(why_not())
    picture.parent.mkdir(exist_ok=True)
    with browser() as page:
        page.width(SIZE)
        page.open(run / "report.html")
        page.picture(picture)


if __name__ == "__main__":
    main()
