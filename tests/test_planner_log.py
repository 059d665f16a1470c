"""Logs of requests: what is read, and how each row that cannot be is named."""

import contextlib
import csv
import io
import json
import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import (
    ROWS_SHOWN,
    LogColumnsUnknown,
    LogEmpty,
    LogError,
    LogRowsBad,
    LogUnreadable,
)
from planner.traffic.log import read_log
from planner.traffic.log_columns import Columns
from planner.traffic.trace import Trace

NOON = datetime(2026, 8, 3, 12, tzinfo=UTC)
HEADER = "time,audio_seconds,user"
GOOD = "2026-08-03T12:00:00Z,60,anna"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


def table(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


def objects(path: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def arrivals(trace: Trace) -> list[datetime]:
    return [trace.start + timedelta(seconds=seconds) for seconds in trace.seconds]


def bad_rows(path: Path, **options: object) -> tuple[tuple[int, str], ...]:
    with pytest.raises(LogRowsBad) as caught:
        read_log(path, **options)  # type: ignore[arg-type]
    return caught.value.rows


class TestARow:
    def test_tells_time_audio_and_user(self, log: Path) -> None:
        trace = read_log(table(log, GOOD, "2026-08-03T12:00:30.5Z,1.25,", "1785758460,90,ben"))
        assert arrivals(trace) == [
            NOON,
            NOON + timedelta(seconds=30.5),
            NOON + timedelta(seconds=60),
        ]
        assert trace.audio_seconds.tolist() == [60.0, 1.25, 90.0]
        assert [trace.names[user] if user >= 0 else None for user in trace.users] == [
            "anna",
            None,
            "ben",
        ]

    def test_may_be_an_object_of_json(self, log: Path) -> None:
        rows = (
            {"timestamp": "2026-08-03T12:00:00Z", "duration": 60, "customer": "anna"},
            {"timestamp": NOON.timestamp() + 1, "duration": "2.5"},
            {"customer": 17, "timestamp": "2026-08-03T12:00:02+00:00", "duration": 3, "more": [1]},
        )
        trace = read_log(objects(log, *rows))
        assert trace.seconds.tolist() == [0.0, 1.0, 2.0]
        assert trace.audio_seconds.tolist() == [60.0, 2.5, 3.0]
        assert (trace.names, trace.users.tolist()) == (("anna", "17"), [0, -1, 1])

    def test_comes_in_any_order_and_is_sorted(self, log: Path) -> None:
        later = "2026-08-03T13:00:00Z,70,ben"
        trace = read_log(table(log, later, GOOD))
        assert trace.start == NOON
        assert trace.seconds.tolist() == [0.0, 3600.0]
        assert trace.audio_seconds.tolist() == [60.0, 70.0]
        assert [trace.names[user] for user in trace.users] == ["anna", "ben"]

    @pytest.mark.parametrize(
        "time",
        ["2026-08-03T14:00:00+02:00", "2026-08-03 12:00:00Z", "2026-08-03T12:00Z",
         "20260803T12:00:00Z", "2026-W32-1T12:00:00Z", "1785758400", "1785758400.0", "1.7857584e9",
         " 2026-08-03T12:00:00Z "],
    )  # fmt: skip
    def test_tells_a_moment_in_many_ways(self, log: Path, time: str) -> None:
        assert arrivals(read_log(table(log, f"{time},1,"))) == [NOON]

    def test_may_name_each_time_in_a_zone_of_its_own(self, log: Path) -> None:
        there = (NOON + timedelta(seconds=9)).astimezone(timezone(timedelta(hours=-7)))
        trace = read_log(table(log, "2026-08-03T14:00:00+02:00,1,", f"{there.isoformat()},1,"))
        assert arrivals(trace) == [NOON, NOON + timedelta(seconds=9)]

    def test_without_a_zone_is_in_the_one_that_is_stated(self, log: Path) -> None:
        table(log, "2026-08-03T12:00:00,1,")
        assert arrivals(read_log(log)) == [NOON]
        assert arrivals(read_log(log, zone=ZoneInfo("Europe/Berlin"))) == [
            NOON - timedelta(hours=2)
        ]

    def test_may_end_in_any_way_and_empty_lines_are_none(self, log: Path) -> None:
        log.write_bytes(f"{HEADER}\r\n\r\n{GOOD}\r\n\r\n{GOOD}".encode())
        assert len(read_log(log)) == 2
        log.write_bytes(f"{HEADER}\r{GOOD}\r{GOOD}\r".encode())
        assert len(read_log(log)) == 2

    def test_may_hold_lines_within_quotes(self, log: Path) -> None:
        header = "time,text,audio"
        table(log, '1785758400,"one\ntwo\n",5', "1785758401,,never", header=header)
        assert bad_rows(log) == ((5, "the audio's seconds are no number: 'never'"),)


class TestABadRow:
    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("yesterday,60,anna", "neither ISO 8601"),
            ("2026-08-03,60,anna", "neither ISO 8601"),
            ("2026-13-03T12:00:00Z,60,anna", "neither ISO 8601"),
            ("12:00:00,60,anna", "neither ISO 8601"),
            ("١٧٨٥٧٥٨٤٠٠,60,anna", "neither ISO 8601"),
            ("1_785_758_400,60,anna", "neither ISO 8601"),
            (",60,anna", "the time is missing"),
            ("nan,60,anna", "neither ISO 8601"),
            ("-5,60,anna", "not from 2000 to 2099"),
            ("0,60,anna", "not from 2000 to 2099"),
            ("1e300,60,anna", "not from 2000 to 2099"),
            ("0001-01-01T00:00:00+14:00,60,anna", "not from 2000 to 2099"),
            ("9999-12-31T23:59:59-14:00,60,anna", "not from 2000 to 2099"),
            ("1785758400000,60,anna", "looks like Unix milliseconds"),
            ("1785758400000000,60,anna", "looks like Unix microseconds"),
            ("1785758400000000000,60,anna", "looks like Unix nanoseconds"),
            ("2026-08-03T12:00:00Z,,anna", "audio's seconds are missing"),
            ("2026-08-03T12:00:00Z,a minute,anna", "no number: 'a minute'"),
            ("2026-08-03T12:00:00Z,-3,anna", "not above 0"),
            ("2026-08-03T12:00:00Z,0,anna", "not above 0"),
            ("2026-08-03T12:00:00Z,nan,anna", "no number: 'nan'"),
            ("2026-08-03T12:00:00Z,inf,anna", "no number: 'inf'"),
            ("2026-08-03T12:00:00Z,1e999,anna", "not above 0 and up to a week"),
            ("2026-08-03T12:00:00Z,604801,anna", "up to a week"),
            ('2026-08-03T12:00:00Z,"1,5",anna', "no number: '1,5'"),
            ("2026-08-03T12:00:00Z,0x10,anna", "no number"),
            (f"2026-08-03T12:00:00Z,60,{'a' * 201}", "up to 200 characters"),
            ("2026-08-03T12:00:00Z,60,\x1b[31m", "no printable text"),
            ("2026-08-03T12:00:00Z,60", "it has 2 fields, and the header 3"),
            ("2026-08-03T12:00:00Z,60,anna,more", "it has 4 fields, and the header 3"),
            ('2026-08-03T12:00:00Z,"60"s,anna', "its quotes are not in order"),
            (HEADER, "it is the header again"),
        ],
    )
    def test_of_a_table_is_named_by_its_line_with_the_reason(
        self, log: Path, row: str, reason: str
    ) -> None:
        table(log, GOOD, row, GOOD)
        ((line, said),) = bad_rows(log)
        assert line == 3
        assert reason in said
        assert len(read_log(log, skip_bad=True)) == 2

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("{", "it is no JSON"),
            ('{"time": 1785758400, "audio": NaN}', "not above 0"),
            ('{"time": 1785758400, "audio": Infinity}', "not above 0"),
            ('{"time": NaN, "audio": 1}', "not from 2000"),
            ('{"time": 1785758400, "audio": -1}', "not above 0"),
            ('{"time": 1785758400, "audio": true}', "no number: True"),
            ('{"time": true, "audio": 1}', "neither ISO 8601"),
            ('{"time": 1785758400, "audio": null}', "seconds are missing"),
            ('{"time": 1785758400, "audio": [1]}', "no number: a list"),
            ('{"time": {"at": 1}, "audio": 1}', "neither ISO 8601"),
            ('{"time": 1785758400}', "no column looks like the audio's seconds"),
            ("{}", "no column looks like the time; there are: none"),
            ('{"time": 1785758400, "audio": 1, "user": {"id": 1}}', "no printable text"),
            ('{"time": 1785758400, "audio": 1, "user": "\\ud800"}', "it is not UTF-8"),
            ('{"time": 1785758400, "audio": 1, "audio": 2}', "it names a key twice"),
            ('{"time": 1785758400, "created": 1785758400, "ts": 3, "audio": 1}', ""),
            ('{"created": 1785758400, "ts": 1785758400, "audio": 1}', "look like the time"),
            ("[1785758400, 1]", "it is no JSON object"),
            ("17", "it is no JSON object"),
            (f'{{"time": {"9" * 400}, "audio": 1}}', "not from 2000"),
            (f'{{"time": {"9" * 5000}, "audio": 1}}', "it is no JSON"),
            ('{"time": 1785758400, "audio": 1, "x": ' + "[" * 100_000, "it is no JSON"),
        ],
    )
    def test_of_json_lines_is_named_by_its_line_with_the_reason(
        self, log: Path, row: str, reason: str
    ) -> None:
        good = {"time": 1785758400, "audio": 60}
        objects(log, good, row, good)
        if not reason:
            assert len(read_log(log)) == 3
            return
        ((line, said),) = bad_rows(log)
        assert line == 2
        assert reason in said
        assert len(read_log(log, skip_bad=True)) == 2

    def test_is_one_that_names_no_zone_where_others_do(self, log: Path) -> None:
        table(log, GOOD, "2026-08-03T12:00:00,60,", "1785758400,60,", GOOD)
        ((line, said),) = bad_rows(log)
        assert (line, "names no zone" in said) == (3, True)

    def test_is_one_that_names_a_zone_where_others_do_not(self, log: Path) -> None:
        table(log, "2026-08-03T12:00:00,60,", "1785758400,60,", GOOD)
        ((line, said),) = bad_rows(log)
        assert (line, "names a zone" in said) == (4, True)

    def test_is_one_that_is_not_utf8_where_it_is_read(self, log: Path) -> None:
        rows = ("1785758400,60,Jürgen", "1785758401,60,Juergen")
        log.write_bytes("\n".join((HEADER, *rows)).encode("latin-1"))
        assert bad_rows(log) == ((2, "it is not UTF-8"),)
        columns = Columns(user="none")
        log.write_bytes("\n".join((f"{HEADER},none", *(f"{r},a" for r in rows))).encode("latin-1"))
        assert len(read_log(log, columns=columns)) == 2

    def test_is_one_that_is_too_long_to_be_a_row(self, log: Path) -> None:
        table(log, GOOD, "x" * 2_100_000, GOOD)
        ((line, said),) = bad_rows(log)
        assert (line, "longer than" in said) == (3, True)
        objects(log, {"time": 1785758400, "audio": 60}, '{"x": "' + "x" * 2_100_000)
        ((line, said),) = bad_rows(log)
        assert (line, "longer than" in said) == (2, True)

    def test_that_never_closes_its_quotes_says_how_far_it_goes(self, log: Path) -> None:
        table(log, GOOD, '1785758400,60,"anna', GOOD, GOOD)
        ((line, said),) = bad_rows(log)
        assert (line, "up to line 5" in said) == (3, True)

    def test_is_shown_without_control_characters_and_short(self, log: Path) -> None:
        table(log, f"\x1b]0;title\x07{'z' * 5000},60,")
        ((_, said),) = bad_rows(log)
        assert said.isprintable()
        assert len(said) < 200


class TestBadRows:
    def test_are_named_up_to_twenty_and_counted(self, log: Path) -> None:
        table(log, GOOD, *(["never,1,"] * 50))
        with pytest.raises(LogRowsBad) as caught:
            read_log(log)
        error = caught.value
        assert [line for line, _ in error.rows] == list(range(3, 3 + ROWS_SHOWN))
        assert error.count == 50
        assert "50 of 51 rows" in str(error)
        assert "line 3:" in str(error)
        assert "and 30 more" in str(error)
        assert error.status == 2

    def test_are_left_out_only_when_asked_and_then_told(self, log: Path) -> None:
        table(log, GOOD, "never,1,", GOOD)
        left_out: list[LogRowsBad] = []
        trace = read_log(log, skip_bad=True, skipped=left_out.append)
        assert len(trace) == 2
        assert [(error.count, error.rows[0][0]) for error in left_out] == [(1, 3)]

    def test_are_told_all_the_same_where_none_is_good(self, log: Path) -> None:
        table(log, "never,1,", "never,1,")
        with pytest.raises(LogRowsBad):
            read_log(log, skip_bad=True)


class TestColumns:
    @pytest.mark.parametrize(
        "header",
        ["time,audio_seconds,user", "Timestamp,Audio Seconds,User ID", "created_at,duration,client",
         "submittedAt,audioDuration,tenant", "TS,length_seconds,Account",
         "date,seconds,customer-id"],
    )  # fmt: skip
    def test_are_found_by_usual_names(self, log: Path, header: str) -> None:
        trace = read_log(table(log, GOOD, header=header))
        assert (trace.audio_seconds.tolist(), trace.names) == ([60.0], ("anna",))

    @pytest.mark.parametrize("delimiter", [";", "\t", "|"])
    def test_may_be_parted_in_other_ways(self, log: Path, delimiter: str) -> None:
        table(log, GOOD.replace(",", delimiter), header=HEADER.replace(",", delimiter))
        assert read_log(log).names == ("anna",)

    def test_may_stand_among_others_behind_a_bom(self, log: Path) -> None:
        log.write_bytes(b"\xef\xbb\xbfid,time,state,audio\n7,1785758400,ok,5\n")
        assert read_log(log).audio_seconds.tolist() == [5.0]
        log.write_bytes(b'\xef\xbb\xbf{"time": 1785758400, "audio": 5}\n')
        assert read_log(log).audio_seconds.tolist() == [5.0]

    def test_may_be_stated(self, log: Path) -> None:
        table(log, "1785758400,1785758405,5,99,anna,x", header="queued,time,secs,duration,who,user")
        columns = Columns(time="queued", audio="secs", user="who")
        trace = read_log(log, columns=columns)
        assert arrivals(trace) == [NOON]
        assert (trace.audio_seconds.tolist(), trace.names) == ([5.0], ("anna",))

    def test_may_be_stated_within_objects(self, log: Path) -> None:
        row = {"at": {"in": 1785758400}, "output": {"usage": {"audio_seconds": 5}}, "a.b": "anna"}
        columns = Columns(time="at.in", audio="output.usage.audio_seconds", user="a.b")
        trace = read_log(objects(log, row, {"at": 3, "output": {}}), columns=columns, skip_bad=True)
        assert arrivals(trace) == [NOON]
        assert (trace.audio_seconds.tolist(), trace.names) == ([5.0], ("anna",))

    @pytest.mark.parametrize(
        ("header", "reason", "advice"),
        [
            ("time,user", "no column looks like the audio's seconds", "--audio-column"),
            ("audio,user", "no column looks like the time", "--time-column"),
            (
                "created,arrived,audio",
                "'created' and 'arrived' look like the time",
                "--time-column",
            ),
            ("time,length,duration", "look like the audio's seconds", "--audio-column"),
            ("time,time,audio", "2 columns 'time'", "name of its own"),
            ("1785758400,60,anna", "no column looks like the time", "--time-column"),
            ('time,"audio"s', "no header", "names of the columns"),
            ("x" * 2_000_000, "no header", "names of the columns"),
        ],
    )
    def test_that_cannot_be_made_out_are_told(
        self, log: Path, header: str, reason: str, advice: str
    ) -> None:
        table(log, GOOD, header=header)
        with pytest.raises(LogColumnsUnknown) as caught:
            read_log(log)
        assert reason in str(caught.value)
        assert advice in str(caught.value)
        assert len(str(caught.value)) < 1000

    def test_that_are_stated_and_not_there_are_told_with_the_likely_one(self, log: Path) -> None:
        table(log, GOOD)
        with pytest.raises(LogColumnsUnknown, match=r"'tme'.*Did you mean 'time'"):
            read_log(log, columns=Columns(time="tme"))
        with pytest.raises(LogColumnsUnknown, match="There are: 'time', 'audio_seconds', 'user'"):
            read_log(log, columns=Columns(time="xyz"))

    def test_of_audio_may_be_missing_where_its_length_is_stated(self, log: Path) -> None:
        table(log, "1785758400,anna", header="time,user")
        assert read_log(log, default_audio=120.0).audio_seconds.tolist() == [120.0]
        table(log, GOOD, "1785758400,,ben", "1785758400,-1,ben")
        trace = read_log(log, default_audio=120.0, skip_bad=True)
        assert trace.audio_seconds.tolist() == [60.0, 120.0]


class TestAFile:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("time,audio\n".encode("utf-16"), "is UTF-16. Save it as UTF-8"),
            ("time,audio\n".encode("utf-16-le"), "is no text"),
            (b"\x1f\x8b\x08\x00", "is compressed"),
            (b"PK\x03\x04", "is compressed"),
            (b"\x7fELF\x00", "is no text"),
            (b'[{"time": 1785758400, "audio": 5}]', "is one JSON list"),
        ],
    )
    def test_that_is_no_log_is_told(self, log: Path, content: bytes, reason: str) -> None:
        log.write_bytes(content)
        with pytest.raises(LogUnreadable, match=reason):
            read_log(log)

    def test_that_is_not_there_or_no_file_is_told(self, log: Path) -> None:
        with pytest.raises(LogUnreadable, match="No such file"):
            read_log(log)
        with pytest.raises(LogUnreadable, match="is no file"):
            read_log(log.parent)
        os.mkfifo(log)
        with pytest.raises(LogUnreadable, match="is no file"):
            read_log(log)

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", HEADER.encode()])
    def test_without_a_request_is_told(self, log: Path, content: bytes) -> None:
        log.write_bytes(content)
        with pytest.raises(LogEmpty):
            read_log(log)

    def test_tells_how_far_it_is_read(self, log: Path) -> None:
        table(log, *([GOOD] * 120_000))
        told: list[int] = []
        read_log(log, told=told.append)
        assert told == [50_000, 100_000, 120_000]


class TestWhatWasObserved:
    def test_goes_a_mean_gap_beyond_the_last_request(self, log: Path) -> None:
        trace = read_log(table(log, "1785758400,1,", "1785858400.5,1,", "1785958400,1,"))
        assert (trace.start, trace.span) == (NOON, 300_000.0)

    @pytest.mark.parametrize("times", [[0.0], [0.0, 0.0], [0.0, 20.0, 40.0], [0.0, 50_000]])
    def test_is_a_day_at_least_where_nobody_says_how_long_it_was(
        self, log: Path, times: list[float]
    ) -> None:
        rows = (f"{1785758400 + second},1," for second in times)
        trace = read_log(table(log, *rows))
        assert trace.span == (86400 if times[-1] < 50_000 else 100_000)

    def test_is_a_mean_gap_beyond_the_last_request_where_only_its_begin_is_stated(
        self, log: Path
    ) -> None:
        table(log, "1785758400,1,", "1785758410.5,1,", "1785758420,1,")
        assert read_log(log, since=NOON).span == 30.0

    def test_begins_at_a_whole_second(self, log: Path) -> None:
        trace = read_log(table(log, "1785758400.75,1,"))
        assert (trace.start, trace.seconds.tolist()) == (NOON, [0.75])

    def test_is_what_is_stated(self, log: Path) -> None:
        hours = [NOON + timedelta(hours=hour) for hour in range(5)]
        table(log, *(f"{hour.isoformat()},1," for hour in hours))
        trace = read_log(log, since=hours[1], until=hours[3])
        assert (trace.start, trace.span, arrivals(trace)) == (hours[1], 7200.0, hours[1:3])
        wide = read_log(log, since=NOON - timedelta(hours=1), until=NOON + timedelta(days=1))
        assert (len(wide), wide.span) == (5, 25 * 3600.0)
        assert wide.seconds[0] == 3600.0

    def test_is_nothing_where_no_request_lies_in_it(self, log: Path) -> None:
        table(log, GOOD, "2026-08-05T12:00:00Z,1,")
        day = timedelta(days=1)
        for since, until in [
            (NOON + day / 2, NOON + day),
            (NOON - 3 * day, NOON - day),
            (NOON + 9 * day, None),
            (None, NOON - day),
            (NOON + day, NOON),
        ]:
            with pytest.raises(LogEmpty):
                read_log(log, since=since, until=until)


Rows = Sequence[tuple[float, float, str | None]]
requests = st.lists(
    st.tuples(
        st.floats(1e9, 4e9).map(lambda seconds: round(seconds, 3)),
        st.floats(0.001, 600_000),
        st.none() | st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=20),
    ),
    min_size=1,
    max_size=30,
)


class TestAnyLog:
    @given(rows=requests, as_json=st.booleans())
    @settings(max_examples=60, deadline=None)
    def test_is_read_as_it_was_written(
        self, tmp_path_factory: pytest.TempPathFactory, rows: Rows, *, as_json: bool
    ) -> None:
        path = tmp_path_factory.mktemp("any") / "log"
        if as_json:
            objects(path, *({"time": t, "audio": a, "user": u} for t, a, u in rows))
        else:
            text = io.StringIO(newline="")
            csv.writer(text).writerows([HEADER.split(","), *rows])
            path.write_text(text.getvalue(), encoding="utf-8", newline="")
        trace = read_log(path)
        order = sorted(rows, key=lambda row: row[0])
        assert trace.audio_seconds.tolist() == [audio for _, audio, _ in order]
        names = [trace.names[user] if user >= 0 else None for user in trace.users]
        assert names == [user for _, _, user in order]
        times = [trace.start.timestamp() + seconds for seconds in trace.seconds]
        assert times == pytest.approx([time for time, _, _ in order], abs=1e-5, rel=0)
        assert trace.span >= trace.seconds[-1]

    @given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
    @settings(max_examples=200, deadline=None)
    def test_of_any_bytes_is_a_trace_or_one_typed_error(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "bytes"
        for start in (b"", f"{HEADER}\n".encode(), b'{"time": 1785758400, "audio": 1}\n'):
            path.write_bytes(start + content)
            with contextlib.suppress(LogError):
                assert math.isfinite(read_log(path, skip_bad=True).span)
