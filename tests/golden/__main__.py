from handlers.formats import FORMATS, render
from tests.golden import FOLDER, NAME, meeting

for wanted, text in render(meeting(), FORMATS, name=NAME, duration=20.5).items():
    (FOLDER / f"meeting.{wanted}").write_text(text, encoding="utf-8", newline="\n")
