"""Requests are signed as AWS has published it, and an endpoint's answers are told apart."""

import hashlib
from datetime import UTC, datetime

import pytest

from jarvis.backups.s3 import Bucket, Keys, authorization
from jarvis.kernel.errors import TryAgain, Unavailable
from jarvis.kernel.outbound import Outbound
from tests.backups.bucket import SECRET, FakeS3

NOTHING = hashlib.sha256(b"").hexdigest()
PAPER_SECRET = "/".join(("wJalrXUtnFEMI", "K7MDENG", "bPxRfiCYEXAMPLEKEY"))
SUITE_SECRET = PAPER_SECRET.replace("/bPx", "+bPx")
MAY = datetime(2013, 5, 24, tzinfo=UTC)
S3 = Keys("AKIAIOSFODNN7" + "EXAMPLE", PAPER_SECRET)


def signature(line):
    return line.rpartition("Signature=")[2]


def test_the_plainest_request_of_the_published_suite():
    """get-vanilla of the AWS Signature Version 4 test suite."""
    keys = Keys("AKIDEXAMPLE", SUITE_SECRET, service="service")
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z"}
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    line = authorization(keys, "GET", "/", "", headers, NOTHING, at)
    assert signature(line) == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    assert "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,SignedHeaders=host;x-amz-date," in line


STORED = {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
EXAMPLES = {
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41": (
        "GET", "/test.txt", "", {"Range": "bytes=0-9"}, b"",
    ),
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd": (
        "PUT", "/test%24file.text", "", STORED, b"Welcome to Amazon S3.",
    ),
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543": ("GET", "/", "lifecycle=", {}, b""),
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7": ("GET", "/", "max-keys=2&prefix=J", {}, b""),
}  # fmt: skip


@pytest.mark.parametrize("wanted", EXAMPLES)
def test_the_examples_of_the_s3_reference(wanted):
    """Amazon S3 API reference, "Signature Calculations for the Authorization Header", payload in a single chunk."""
    method, path, query, more, body = EXAMPLES[wanted]
    digest = hashlib.sha256(body).hexdigest()
    headers = {
        "Host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": digest,
        "x-amz-date": "20130524T000000Z",
        **more,
    }
    assert signature(authorization(S3, method, path, query, headers, digest, MAY)) == wanted


def test_a_key_never_shows_in_what_is_printed_of_it():
    assert PAPER_SECRET not in repr(Bucket("https://s3.example.org", "b", S3))


@pytest.fixture
def parcel(tmp_path):
    path = tmp_path / "parcel"
    path.write_bytes(b"0123456789" * 200_000)
    return path


def test_a_file_arrives_whole_under_its_name(parcel):
    with FakeS3() as server:
        server.bucket().put(Outbound(), parcel, "bkp_1.db.gz.sealed", MAY)
    assert server.objects == {"/safe/here/bkp_1.db.gz.sealed": parcel.read_bytes()}
    assert server.refused == []


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((403, "SignatureDoesNotMatch"), Unavailable, "the access key is wrong"),
        ((403, "RequestTimeTooSkewed"), Unavailable, "the clock of this host is wrong"),
        ((404, "NoSuchBucket"), Unavailable, "there is no bucket"),
        ((503, "SlowDown"), TryAgain, "503 (SlowDown)"),
        ((301, "PermanentRedirect"), Unavailable, "301 (PermanentRedirect)"),
    ],
)
def test_each_refusal_says_what_to_mend(parcel, answer, error, said):
    with FakeS3(answers=[answer]) as server, pytest.raises(error) as caught:
        server.bucket().put(Outbound(), parcel, "x", MAY)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_endpoint_says_how_long_to_wait(parcel):
    with FakeS3(answers=[(503, "SlowDown")]) as server, pytest.raises(TryAgain) as caught:
        server.bucket().put(Outbound(), parcel, "x", MAY)
    assert caught.value.retry_after_seconds == 7


def test_where_nothing_listens_it_may_be_tried_again(parcel):
    with FakeS3() as server:
        bucket = server.bucket()
    with pytest.raises(TryAgain, match="could not be reached"):
        bucket.put(Outbound(), parcel, "x", MAY)


def test_a_wrong_secret_is_found_out_by_the_server(parcel):
    with FakeS3() as server, pytest.raises(Unavailable, match="SignatureDoesNotMatch"):
        server.bucket(secret="another").put(Outbound(), parcel, "x", MAY)
    assert server.objects == {}
