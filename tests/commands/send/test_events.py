"""Events: what `--scheme` makes and signs is what the service accepts, for every scheme."""

import json
import re
import shlex
import time
from pathlib import Path

import pytest

from service.commands.send.arguments import Options, parse
from service.commands.send.command import main
from service.commands.send.deliveries import Delivery
from service.sources.request import Request
from service.sources.scheme import Scheme
from service.sources.source import Source
from tests.commands.send.keys import SCHEMES, secrets_of
from tests.commands.send.receiver import Receiver, one_line

each_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


def options_of(scheme: Scheme, *arguments: str) -> Options:
    return parse(["--scheme", scheme.name, "--secret", secrets_of(scheme)[0], *arguments])


def request_of(options: Options, delivery: Delivery) -> Request:
    """As the service sees it."""
    headers = options.target.sign(delivery).items()
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request(pairs, options.url)


@each_scheme
class TestEachScheme:
    def test_an_example_is_accepted(self, scheme: Scheme) -> None:
        options = options_of(scheme)
        source = Source(scheme.name, scheme, [secrets_of(scheme)[1].encode()])
        assert options.url == f"http://127.0.0.1:8000/webhook/{scheme.name}"
        ids = set()
        for _ in range(3):
            delivery = options.target.make()
            request = request_of(options, delivery)
            assert source.verify(request, delivery.body, time.time()) == 0
            event_id, type_, problem = source.identify(request, delivery.body)
            assert problem is None
            assert type_ == (scheme.example.type or None) or not scheme.type_parts
            ids.add(event_id)
        assert len(ids) == 3

    def test_a_body_of_ones_own_is_signed_as_it_is(self, scheme: Scheme, tmp_path: Path) -> None:
        (tmp_path / "body").write_bytes(b'{ "id" : "\xff$id" }\r\n')
        options = options_of(scheme, "--body", str(tmp_path / "body"))
        delivery = options.target.make(options.body)
        assert delivery.body == b'{ "id" : "\xff$id" }\r\n'
        source = Source(scheme.name, scheme, [secrets_of(scheme)[1].encode()])
        if all(each.timestamp is None or not each.timestamp.json for each in scheme.signatures):
            source.verify(request_of(options, delivery), delivery.body, time.time())

    def test_a_repeat_is_the_same_event_signed_again(self, scheme: Scheme) -> None:
        options = options_of(scheme)
        source = Source(scheme.name, scheme, [secrets_of(scheme)[1].encode()])
        delivery = options.target.make()
        ids = {
            source.identify(request_of(options, again), again.body).event_id
            for again in (delivery, delivery._replace(repeat=True))
        }
        assert len(ids) == 1

    def test_the_help_has_an_example(
        self, scheme: Scheme, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            main(["--help"])
        pattern = rf"^  (send --scheme {scheme.name}\b.*)$"
        found = re.search(pattern, capsys.readouterr().out, re.MULTILINE)
        assert found is not None
        assert ("--secret" in found[1]) == scheme.is_asymmetric
        parse([*shlex.split(found[1])[1:], "--secret", secrets_of(scheme)[0]])


class TestOptions:
    def test_the_secret_is_that_of_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_text("from a file\n")
        monkeypatch.setenv("SOURCE_GITHUB_SECRET_FILE", str(tmp_path / "secret"))
        by_file = parse(["--scheme", "github"]).target.sign(Delivery(b"{}", "1"))
        by_option = parse(["--scheme", "github", "--secret", "from a file"]).target
        assert by_file == by_option.sign(Delivery(b"{}", "1"))

    def test_a_source_of_another_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOURCE_MY_SHOP_SECRET", "s")
        monkeypatch.setenv("SOURCE_MY_SHOP_SCHEME", "github")
        options = parse(["--source", "my-shop", "--url", "http://host"])
        assert options.url == "http://host/webhook/my-shop"
        assert "X-Hub-Signature-256" in options.target.sign(options.target.make())

    def test_a_scheme_of_the_folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "acme.toml").write_text(
            'page = "https://acme.example"\nid = "{json:id}"\n'
            '[signature]\nheader = "X-Acme"\ndigest = "token"\n'
        )
        monkeypatch.setenv("SCHEMES_FOLDER", str(tmp_path))
        options = parse(["--scheme", "acme", "--secret", "s"])
        assert options.target.sign(options.target.make())["X-Acme"] == "s"

    def test_id_and_type(self) -> None:
        options = parse(["--scheme", "github", "--secret", "s", "--id", "an-id", "--type", "push"])
        headers = options.target.sign(options.target.make())
        assert (headers["X-GitHub-Delivery"], headers["X-GitHub-Event"]) == ("an-id", "push")

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ("--scheme no-such", "there is no scheme 'no-such'; there are: "),
            ("--scheme github", "no secret to sign with: set SOURCE_GITHUB_SECRET, or give"),
            ("--scheme github --source Big", "argument --source: must be lower-case"),
            ("--source webhook", "argument --source: must be lower-case"),
            ("--type push", "--type goes with --scheme or --source"),
            ("--scheme github --secret s --id ü", "argument --id: must be ASCII"),
            ("--scheme github --secret s --body /no/such", "cannot read /no/such: No such"),
            ("--scheme github --secret s --body x --file y", "argument --file: not allowed"),
        ],
    )
    def test_senseless_ones(
        self, arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as stop:
            main(arguments.split())
        assert stop.value.code == 2
        assert one_line(capsys).startswith(f"send: {sentence}")


class TestSending:
    def test_one_event_is_sent_unless_more_are_asked_for(
        self, receiver: Receiver, capsys: pytest.CaptureFixture[str]
    ) -> None:
        receiver.refusals = [(200, b"")] * 9
        main(["--url", receiver.base, "--scheme", "github", "--secret", "s"])
        assert "sent 1 event in" in capsys.readouterr().out
        main(["--url", receiver.base, "--scheme", "github", "--secret", "s", "--count", "8"])
        assert "sent 8 events in" in capsys.readouterr().out
        assert receiver.paths == {"/webhook/github"}
        assert len(receiver.bodies) == 9

    def test_a_file_of_events(self, receiver: Receiver, tmp_path: Path) -> None:
        (tmp_path / "events").write_text('{"n":1}\n{"n":2}\n')
        options = ["--scheme", "github", "--secret", "s", "--file", str(tmp_path / "events")]
        main(["--url", receiver.base, *options])
        assert sorted(receiver.bodies) == [b'{"n":1}', b'{"n":2}']

    def test_a_curl_command(self, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        assert main(["--scheme", "github", "--secret", "s", "--print-curl"]) == 0
        words = shlex.split(capfdbinary.readouterr().out.decode())
        assert words[3] == "http://127.0.0.1:8000/webhook/github"
        assert {"X-GitHub-Event: ping", "Content-Type: application/json"} < set(words)
        assert json.loads(words[-1])["zen"]

    def test_no_curl_command_holds_a_nul(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "body").write_bytes(b"\0")
        options = ["--scheme", "github", "--secret", "s", "--body", str(tmp_path / "body")]
        assert main([*options, "--print-curl"]) == 2
        assert "NUL" in one_line(capsys)
