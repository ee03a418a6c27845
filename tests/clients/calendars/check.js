// Reads the calendar files of mails with ical.js (Thunderbird, Nextcloud) and node-ical, and compares what both read with what is expected.
// Called with a JSON file: a list of {name, file, expected}.
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import ICAL from "ical.js";
import nodeIcal from "node-ical";

const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
assert(cases.length > 0);

function readWithIcalJs(file) {
  const calendar = new ICAL.Component(ICAL.parse(file));
  const events = calendar.getAllSubcomponents("vevent");
  assert.equal(events.length, 1);
  const event = new ICAL.Event(events[0]);
  const text = (name) => events[0].getFirstPropertyValue(name);
  const person = (name) => [events[0].getFirstProperty(name).getParameter("cn"), text(name)];
  return {
    method: calendar.getFirstPropertyValue("method"),
    uid: event.uid,
    start: event.startDate.toJSDate().toISOString(),
    end: event.endDate.toJSDate().toISOString(),
    sequence: event.sequence,
    status: text("status"),
    summary: event.summary,
    location: event.location ?? null,
    organizer: person("organizer"),
    attendee: person("attendee"),
  };
}

function readWithNodeIcal(file) {
  const calendar = nodeIcal.sync.parseICS(file);
  const events = Object.values(calendar).filter((item) => item.type === "VEVENT");
  assert.equal(events.length, 1);
  const [event] = events;
  const person = (value) => [value.params.CN.replaceAll(/^"|"$/g, ""), value.val];
  return {
    method: event.method,
    uid: event.uid,
    start: event.start.toISOString(),
    end: event.end.toISOString(),
    sequence: Number(event.sequence),
    status: event.status,
    summary: event.summary,
    location: event.location ?? null,
    organizer: person(event.organizer),
    attendee: person(event.attendee),
  };
}

for (const { name, file, expected } of cases) {
  assert.deepEqual(readWithIcalJs(file), expected, `ical.js reads ${name} differently`);
  assert.deepEqual(readWithNodeIcal(file), expected, `node-ical reads ${name} differently`);
}
console.log(`${cases.length} calendar files are read alike by ical.js and node-ical`);
