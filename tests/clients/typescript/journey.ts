// The main journey with openapi-fetch and the types that openapi-typescript generates: register, find a time, book, conflict, move,
// cancel. Called with the address of the platform.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./careslot.js";

type BookAppointment = components["schemas"]["BookAppointment"];

const DAY_MILLISECONDS = 86_400_000;

/** Registers a new patient and returns a client that sends the access token. */
async function signedInClient(baseUrl: string, fullName: string): Promise<Client<paths>> {
  const { data, error } = await createClient<paths>({ baseUrl }).POST("/auth/register", {
    body: { email: `${randomUUID()}@example.com`, password: `pass phrase ${randomUUID()}`, full_name: fullName },
  });
  assert(data, error?.detail);
  assert.equal(data.account.role, "patient");
  return createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${data.access_token}` } });
}

/** Returns a request for the first free time, from three days on, of a service that needs no approval. */
async function bookingRequest(baseUrl: string): Promise<BookAppointment> {
  const client = createClient<paths>({ baseUrl });
  const services = await client.GET("/services");
  const service = services.data?.items.find((service) => !service.requires_approval);
  assert(service, services.error?.detail);
  const from = new Date(Date.now() + 3 * DAY_MILLISECONDS).toISOString();
  const slots = await client.GET("/slots", { params: { query: { service_id: service.id, from, limit: 5 } } });
  const slot = slots.data?.items[0];
  assert(slot, slots.error?.detail);
  return { service_id: slot.service_id, doctor_id: slot.doctor_id, starts_at: slot.starts_at };
}

async function run(baseUrl: string): Promise<string> {
  const [patient, rival] = [await signedInClient(baseUrl, "Sam Lee"), await signedInClient(baseUrl, "Alex Kim")];
  const request = await bookingRequest(baseUrl);

  const booked = await patient.POST("/appointments", { body: request, params: { header: { "Idempotency-Key": randomUUID() } } });
  assert.equal(booked.response.status, 201, booked.error?.detail);
  assert(booked.data);
  assert.equal(booked.data.status, "booked");
  assert.equal(booked.data.starts_at, request.starts_at);
  const etag = booked.response.headers.get("ETag");
  assert(etag);

  const refused = await rival.POST("/appointments", { body: request });
  assert.equal(refused.response.status, 409);
  assert.equal(refused.error?.code, "slot_taken");
  const alternatives = refused.error?.alternatives;
  const alternative = alternatives?.[0];
  assert(alternatives && alternative, "the refusal has alternatives");

  const path = { appointment_id: booked.data.id };
  const moved = await patient.POST("/appointments/{appointment_id}/reschedule", {
    params: { path, header: { "If-Match": etag } },
    body: { starts_at: alternative.starts_at, doctor_id: alternative.doctor_id },
  });
  assert(moved.data, moved.error?.detail);
  assert.equal(moved.data.status, "booked");
  assert.equal(moved.data.starts_at, alternative.starts_at);
  assert.equal(moved.data.version, booked.data.version + 1);

  const cancelled = await patient.POST("/appointments/{appointment_id}/cancel", { params: { path }, body: { reason: "No longer needed" } });
  assert.equal(cancelled.data?.status, "cancelled", cancelled.error?.detail);
  const final = await patient.GET("/appointments/{appointment_id}", { params: { path } });
  assert.equal(final.data?.status, "cancelled", final.error?.detail);
  const times = `booked ${request.starts_at}, moved to ${moved.data.starts_at}`;
  return `${times}, cancelled; ${alternatives.length} alternatives to a booked time`;
}

const [url] = process.argv.slice(2);
assert(url, "usage: journey.js URL");
console.log(await run(url));
