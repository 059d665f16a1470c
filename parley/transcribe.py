"""`parley transcribe`: what it may be told, and how that becomes work."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from handlers.formats import FORMATS

if TYPE_CHECKING:
    from parley.config import Config
    from parley.session import Work

_STDOUT: Final = "-"
_ENDPOINTS: Final = "Which endpoints"
_SPEECH: Final = "What to find out"
_OUTPUT: Final = "What to write"
_RUN: Final = "How to run"


def _option(panel: str, text: str, *names: str, metavar: str = " ") -> Any:  # noqa: ANN401  as typer
    return typer.Option(*names, help=text, metavar=metavar, rich_help_panel=panel)


_Sources = Annotated[list[str], typer.Argument(metavar="FILE", help="Recordings: files and URLs.")]
_Endpoint = Annotated[
    str | None, _option(_ENDPOINTS, "Endpoint that answers whole jobs.", metavar="ID")
]
_Transcription = Annotated[
    str | None, _option(_ENDPOINTS, "Endpoint for the words of a split.", metavar="ID")
]
_Diarization = Annotated[
    str | None, _option(_ENDPOINTS, "Endpoint for the speakers of a split.", metavar="ID")
]
_Shape = Annotated[
    str | None,
    _option(_ENDPOINTS, "single, orch or split; else known from the ids.", metavar="SHAPE"),
]
_ApiKey = Annotated[
    str | None,
    _option(_ENDPOINTS, "Better in RUNPOD_API_KEY: others can see flags.", metavar="KEY"),
]
_BaseUrl = Annotated[
    str | None, _option(_ENDPOINTS, "Another platform than RunPod.", metavar="URL")
]
_ConfigPath = Annotated[
    Path | None, _option(_ENDPOINTS, "Configuration file to read.", metavar="FILE")
]
_Profile = Annotated[
    str | None, _option(_ENDPOINTS, "Profile in the configuration file.", metavar="NAME")
]
_Exactly = Annotated[int | None, _option(_SPEECH, "Exactly so many people speak.", metavar="N")]
_AtLeast = Annotated[int | None, _option(_SPEECH, "At least so many speak.", metavar="N")]
_AtMost = Annotated[int | None, _option(_SPEECH, "At most so many speak.", metavar="N")]
_Language = Annotated[
    str | None, _option(_SPEECH, "Two letters, such as en; else found out.", metavar="CODE")
]
_NoDiarize = Annotated[bool, _option(_SPEECH, "Words alone, no speakers.", "--no-diarize")]
_OnFailure = Annotated[
    str | None,
    _option(_SPEECH, "fail, or transcript_only to keep the words.", metavar="CHOICE"),
]
_Formats = Annotated[
    list[str] | None,
    _option(
        _OUTPUT,
        f"{' '.join(FORMATS)}; several: srt,vtt. Default: json,txt.",
        "--format",
        "-f",
        metavar="FORMAT",
    ),
]
_OutputDir = Annotated[
    str | None,
    _option(
        _OUTPUT, "Folder; - prints one format. Default: here.", "--output-dir", "-o", metavar="DIR"
    ),
]
_Beside = Annotated[bool, _option(_OUTPUT, "Write beside each recording.", "--beside")]
_Overwrite = Annotated[bool, _option(_OUTPUT, "Make anew what is there.", "--overwrite")]
_Jobs = Annotated[
    int | None, _option(_RUN, "Recordings at once. Default: 4.", "--jobs", "-j", metavar="N")
]
_Timeout = Annotated[
    str | None,
    _option(_RUN, "For one recording: 90, 5m, 2h. Default: 1h.", metavar="TIME"),
]
_Quiet = Annotated[bool, _option(_RUN, "Show failures alone.", "--quiet", "-q")]
_Verbose = Annotated[bool, _option(_RUN, "Show tracebacks of defects.", "--verbose")]


def transcribe(  # noqa: PLR0913  one parameter an option
    sources: _Sources,
    *,
    endpoint: _Endpoint = None,
    transcription: _Transcription = None,
    diarization: _Diarization = None,
    shape: _Shape = None,
    api_key: _ApiKey = None,
    base_url: _BaseUrl = None,
    config: _ConfigPath = None,
    profile: _Profile = None,
    num_speakers: _Exactly = None,
    min_speakers: _AtLeast = None,
    max_speakers: _AtMost = None,
    language: _Language = None,
    no_diarize: _NoDiarize = False,
    on_diarization_failure: _OnFailure = None,
    formats: _Formats = None,
    output_dir: _OutputDir = None,
    beside: _Beside = False,
    overwrite: _Overwrite = False,
    jobs: _Jobs = None,
    timeout: _Timeout = None,
    quiet: _Quiet = False,
    verbose: _Verbose = False,
) -> None:
    """Write who said what, when, for recordings.

    What is there already is skipped: run the same command again to go on.
    Ctrl-C cancels the jobs under way and keeps what is done.

    [bold]Examples[/bold]
      parley transcribe talk.mp3 --endpoint ID
      parley transcribe talks/*.mp3 -f srt,vtt -o subtitles
      parley transcribe https://example.com/talk.mp3 --max-speakers 4
      parley transcribe talk.mp3 -f txt -o - | less

    [bold]Exit status[/bold]
      0    every recording has its outputs
      1    a recording failed
      2    wrong usage, configuration, endpoint or key; nothing more is tried
      3    recordings failed, and each of them may succeed when tried again
      130  interrupted by Ctrl-C
    """
    from parley.config import load  # noqa: PLC0415  what is heavy loads when it is needed
    from parley.session import carry_out, refusing, tell  # noqa: PLC0415

    if beside and output_dir:
        message = "it contradicts --output-dir. Give one of both."
        raise typer.BadParameter(message, param_hint="--beside")
    flags = {
        "endpoint": endpoint,
        "transcription_endpoint": transcription,
        "diarization_endpoint": diarization,
        "shape": shape,
        "api_key": api_key,
        "base_url": base_url,
        "formats": [name for text in formats for name in text.split(",")] if formats else None,
        "output_dir": output_dir,
        "jobs": jobs,
        "timeout": timeout,
    }
    options = {
        "num_speakers": num_speakers,
        "min_speakers": min_speakers,
        "max_speakers": max_speakers,
        "language": language,
        "diarize": False if no_diarize else None,
        "on_diarization_failure": on_diarization_failure,
    }
    with refusing():
        chosen, file = load(flags, path=config, profile=profile)
        if file.exposed:
            tell(file.exposed, style="yellow")
        work = _work(
            sources,
            chosen,
            options={name: value for name, value in options.items() if value is not None},
            beside=beside,
            overwrite=overwrite,
        )
    verbose = verbose or bool(os.environ.get("PARLEY_DEBUG"))
    raise typer.Exit(carry_out(work, quiet=quiet, verbose=verbose))


def _work(
    sources: list[str],
    config: "Config",
    *,
    options: dict[str, object],
    beside: bool,
    overwrite: bool,
) -> "Work":
    """Check everything that can be checked before a job is sent.

    Raises:
        ConfigError: no endpoint or no key is named.
        OutputRefused: the outputs cannot go where they are to.
        InvalidRequest: the options contradict each other.

    """
    from handlers.jobs import Job, read_job  # noqa: PLC0415
    from parley.batch import Request  # noqa: PLC0415
    from parley.config import DEFAULTS  # noqa: PLC0415
    from parley.outputs import Files, OutputRefused, Printed, plan, prepare  # noqa: PLC0415
    from parley.session import Work  # noqa: PLC0415

    read_job({"audio_url": "https://audio.invalid/", **options}, Job)
    formats = list(dict.fromkeys(config["formats"]))
    printed = config["output_dir"] == _STDOUT and not beside
    recordings = plan(sources, folder=None if beside else Path(config["output_dir"]).expanduser())
    if printed:
        if config.origin("formats") == DEFAULTS.origin:
            formats = formats[:1]
        if len(recordings) > 1 or len(formats) > 1:
            message = "-o - prints one format of one recording. Give one of each."
            raise OutputRefused(message)
    else:
        prepare(recordings)
    return Work(
        target=config.target,
        recordings=recordings,
        request=Request(
            formats=formats, within=config["timeout"], jobs=config["jobs"], options=options
        ),
        store=Printed(sys.stdout.write) if printed else Files(overwrite=overwrite),
    )
