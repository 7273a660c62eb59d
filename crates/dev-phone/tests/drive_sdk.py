"""Drives Twilio's official SDK through the calls that the phone answers."""

import datetime
import os
import time

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

PHONE_URL = os.environ["PHONE_URL"]
SID, TOKEN = os.environ["SID"], os.environ["TOKEN"]
FROM, TO = os.environ["FROM"], os.environ["TO"]


class ToThePhone(TwilioHttpClient):
    """The SDK's own client; only the server's address differs."""

    def request(self, method, url, *rest, **named):
        assert url.startswith("https://api.twilio.com/"), url
        return super().request(method, url.replace("https://api.twilio.com", PHONE_URL, 1), *rest, **named)


def client(token=TOKEN):
    return Client(SID, token, http_client=ToThePhone())


def refused(call, code, status):
    try:
        call()
    except TwilioRestException as error:
        assert (error.code, error.status) == (code, status), (error.code, error.status, error.msg)
        assert error.uri.endswith(".json"), error.uri
        return error
    raise AssertionError(f"{code} was expected")


def delivered(messages, sid):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        message = messages(sid).fetch()
        if message.status == "delivered":
            return message
        time.sleep(0.01)
    raise AssertionError("the text was not delivered in time")


twilio = client()
messages = twilio.messages

# Create.
first = messages.create(to=TO, from_=FROM, body="Here's a random number: 641", status_callback=os.environ["CALLBACK_URL"])
assert first.sid.startswith("SM") and len(first.sid) == 34, first.sid
assert first.account_sid == SID and first.api_version == "2010-04-01"
assert (first.to, first.from_, first.body) == (TO, FROM, "Here's a random number: 641")
assert (first.status, first.direction) == ("queued", "outbound-api")
assert (first.num_segments, first.num_media) == ("1", "0")
assert first.price is None and first.price_unit == "USD"
assert first.error_code is None and first.error_message is None
assert isinstance(first.date_created, datetime.datetime) and first.date_sent is None
assert first.date_created.utcoffset() == datetime.timedelta(0)
assert first.uri == f"/2010-04-01/Accounts/{SID}/Messages/{first.sid}.json"

# Fetch, until it is delivered.
fetched = delivered(messages, first.sid)
assert fetched.body == first.body and isinstance(fetched.date_sent, datetime.datetime)

# List: newest first, pages, filters.
sids = [first.sid]
for number in range(4):
    sids.append(messages.create(to=TO, from_=FROM, body=str(number)).sid)
for sid in sids:
    delivered(messages, sid)
newest_first = list(reversed(sids))
assert [message.sid for message in messages.list()] == newest_first
assert [message.sid for message in messages.list(limit=3)] == newest_first[:3]
assert [message.sid for message in messages.list(page_size=2)] == newest_first
assert [message.sid for message in messages.stream(page_size=1, limit=4)] == newest_first[:4]
page = messages.page(page_size=2)
assert [message.sid for message in page] == newest_first[:2]
second = page.next_page()
assert [message.sid for message in second] == newest_first[2:4]
assert [message.sid for message in second.previous_page()] == newest_first[:2]
assert second.next_page().next_page() is None
assert [message.sid for message in messages.get_page(page.next_page_url)] == newest_first[2:4]
assert len(messages.list(to=TO, from_=FROM)) == 5 and messages.list(to="+15555550199") == []
now = datetime.datetime.now(datetime.timezone.utc)
hour = datetime.timedelta(hours=1)
assert len(messages.list(date_sent_after=now - hour)) == 5
assert messages.list(date_sent_after=now + hour) == []
assert messages.list(date_sent_before=now - hour) == []
assert len(messages.list(date_sent_before=now + hour)) == 5
assert len(messages.list(date_sent=first.date_created.date())) == 5 or now.date() != first.date_created.date()

# Redact.
assert messages(first.sid).update(body="").body == ""
assert messages(first.sid).fetch().body == ""

# Schedule and call off.
service = "MG" + "0" * 32
later = messages.create(to=TO, messaging_service_sid=service, body="later", schedule_type="fixed", send_at=now + hour)
assert later.status == "scheduled" and later.messaging_service_sid == service and later.from_ is None
assert later.update(status="canceled").status == "canceled"
refused(lambda: later.update(status="canceled"), 30409, 400)

# Delete.
assert messages(first.sid).delete() is True
refused(lambda: messages(first.sid).fetch(), 20404, 404)
assert first.sid not in [message.sid for message in messages.list()]

# Refusals.
error = refused(lambda: messages.create(to="123", from_=FROM, body="x"), 21211, 400)
assert "The 'To' number 123 is not a valid phone number." in error.msg, error.msg
refused(lambda: messages.create(to=TO, from_="+15005550001", body="x"), 21212, 400)
refused(lambda: messages.create(to=TO, from_="+15005550007", body="x"), 21606, 400)
refused(lambda: messages.create(to=TO, from_="+15005550008", body="x"), 21611, 429)
refused(lambda: messages.create(to="+15005550004", from_=FROM, body="x"), 21610, 400)
refused(lambda: messages.create(to=TO, from_=FROM), 21602, 400)
refused(lambda: client("wrong").messages.create(to=TO, from_=FROM, body="x"), 20003, 401)
refused(lambda: client("wrong").messages(first.sid).fetch(), 20003, 401)

print("all as at Twilio")
