"""Nothing is sent unless it is asked for, and whatever is wrong with what was asked for, a run is a run."""

import json
import re

import pytest
from telemetry_stage import Collector

NOTES = """
import atexit, sys
atexit.register(lambda: print("LOADED", *[one for one in sys.modules if one.startswith("opentelemetry.sdk")],
                              *[one for one in sys.modules if one.startswith("opentelemetry.exporter")], file=sys.stderr))
"""
BLOCKED = """
import sys
sys.modules["opentelemetry.sdk"] = None
"""


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"OTEL_SERVICE_NAME": "a-service", "OTEL_RESOURCE_ATTRIBUTES": "a=b"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
    ids=["nothing said", "a name alone", "disabled", "none"],
)
def test_nothing_is_sent_and_no_sdk_is_loaded(collector, desk, said):
    environment = {name: value.format(url=collector.url) for name, value in said.items()}
    _, _, complaint = desk().run(environment=environment, first=NOTES)
    assert complaint.strip() == "LOADED"
    assert collector.bodies == []


@pytest.mark.parametrize(("off", "sent"), [("TRACES", "/v1/metrics"), ("METRICS", "/v1/traces")])
def test_each_signal_is_asked_for_by_itself(collector, desk, off, sent):
    desk().run(environment=collector.environment | {f"OTEL_{off}_EXPORTER": "none"})
    assert {path for path, _ in collector.bodies} == {sent}


def test_the_variables_of_the_sdk_hold(collector, desk):
    desk().run(
        environment={
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/elsewhere",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-team=blue",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_SERVICE_NAME": "of-the-variable",
        }
    )
    assert {path for path, _ in collector.bodies} == {"/elsewhere"}, "no address was given for metrics"
    assert {one["x-team"] for one in collector.headers} == {"blue"}
    assert {one["Content-Encoding"] for one in collector.headers} == {"gzip"}
    assert b"of-the-variable" in collector.bytes


def test_a_sampler_is_the_sdks(collector, desk):
    desk().run(environment=collector.environment | {"OTEL_TRACES_SAMPLER": "always_off"})
    assert {path for path, _ in collector.bodies} == {"/v1/metrics"}


def test_what_is_not_installed_is_said_once_and_the_run_goes_on(collector, desk):
    events, result, complaint = desk().run(environment=collector.environment, first=BLOCKED)
    assert result["status"] == "complete"
    (said,) = [one["text"] for one in events if one["type"] == "warning" and "OTEL_" in one["text"]]
    assert "pip install 'toolwright[otel]'" in said
    assert complaint == ""
    assert collector.bodies == []


def test_it_is_said_once_a_process(desk, tmp_path):
    twice = f"""{BLOCKED}
import sys
from toolwright import Toolwright
class Ear:
    def emit(self, event):
        print("HEARD", event.data["text"])
for name in ("one", "other"):
    Toolwright("openai:x", base_url="http://127.0.0.1:9/v1", home="{tmp_path}/" + name, sink=Ear()).close()
sys.exit()
"""
    done = desk().command(environment={"OTEL_TRACES_EXPORTER": "otlp"}, first=twice)
    assert len(re.findall("^HEARD", done.stdout, re.MULTILINE)) == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"OTEL_TRACES_EXPORTER": "nobodys"}, "'nobodys'"),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}, "smoke"),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_METRIC_EXPORT_INTERVAL": "-1"}, "interval"),
    ],
)
def test_what_cannot_be_had_is_said_and_the_run_goes_on(desk, said, words):
    events, result, _ = desk().run(environment=said)
    assert result["status"] == "complete"
    (text,) = [one["text"] for one in events if one["type"] == "warning"]
    assert "OTEL_" in text
    assert words in text


def test_a_collector_that_is_not_there_costs_one_complaint_each(desk):
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "10"}
    _, result, complaint = desk().run(environment=environment)
    assert result["status"] == "complete"
    assert sum("spans" in line for line in complaint.splitlines()) == 1
    assert sum("metrics" in line for line in complaint.splitlines()) == 1
    assert "Traceback" not in complaint


@pytest.mark.long
def test_the_program_ends_although_the_collector_never_answers(desk):
    """OpenTelemetry itself would wait for a minute once the result is there."""
    silent = Collector(silent=True)
    environment = silent.environment | {"OTEL_EXPORTER_OTLP_TIMEOUT": "100000"}
    with desk().begun("run", "Halve 8.", "--json", environment=environment) as process:
        try:
            last = next(line for line in process.stdout if '"result"' in line)
            process.wait(30)
        finally:
            process.kill()
            silent.close()
    assert json.loads(last)["status"] == "complete"
    assert process.returncode == 0
    assert silent.bodies, "it was asked"


def test_a_collector_that_refuses_does_no_harm(desk):
    refusing = Collector(status=400)
    _, result, complaint = desk().run(environment=refusing.environment)
    refusing.close()
    assert result["status"] == "complete"
    assert "400" in complaint
    assert json.dumps(result)
