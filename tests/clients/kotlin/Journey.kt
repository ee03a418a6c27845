// The main journey with the client of openapi-generator's `kotlin` (OkHttp and Moshi): register, find a time, book, conflict, move,
// cancel. Called with the address of the platform.

import careslot.client.apis.AppointmentsApi
import careslot.client.apis.CalendarApi
import careslot.client.apis.DoctorsAndServicesApi
import careslot.client.apis.IdentityApi
import careslot.client.infrastructure.ClientError
import careslot.client.infrastructure.ClientException
import careslot.client.infrastructure.Serializer
import careslot.client.models.BookAppointment
import careslot.client.models.CancelAppointment
import careslot.client.models.Problem
import careslot.client.models.Register
import careslot.client.models.RescheduleAppointment
import java.time.OffsetDateTime
import java.time.ZoneOffset
import java.util.UUID
import okhttp3.OkHttpClient

class Journey(private val url: String) {
    /** Registers a new patient and returns a client that sends the access token. */
    private fun signedInClient(fullName: String): AppointmentsApi {
        val body = Register(email = "${UUID.randomUUID()}@example.com", password = "pass phrase ${UUID.randomUUID()}", fullName = fullName)
        val registered = IdentityApi(url).register(register = body)
        check(registered.account.role.value == "patient")
        val http = OkHttpClient.Builder().addInterceptor { chain ->
            chain.proceed(chain.request().newBuilder().header("Authorization", "Bearer ${registered.accessToken}").build())
        }
        return AppointmentsApi(url, http.build())
    }

    /** Returns a request for the first free time, from three days on, of a service that needs no approval. */
    private fun bookingRequest(): BookAppointment {
        val service = DoctorsAndServicesApi(url).listServices().items.first { !it.requiresApproval }
        val from = OffsetDateTime.now(ZoneOffset.UTC).plusDays(3)
        val slot = CalendarApi(url).listSlots(serviceId = service.id, from = from, limit = 5).items.first()
        return BookAppointment(serviceId = slot.serviceId, doctorId = slot.doctorId.toString(), startsAt = slot.startsAt)
    }

    /** Makes the request, which must be refused with 409, and returns the refusal. */
    private fun refusal(rival: AppointmentsApi, request: BookAppointment): Problem {
        try {
            rival.bookAppointment(bookAppointment = request)
        } catch (refused: ClientException) {
            check(refused.statusCode == 409) { refused.toString() }
            return checkNotNull(Serializer.moshi.adapter(Problem::class.java).fromJson(body(refused)))
        }
        error("A booked time was booked again.")
    }

    fun run(): String {
        val (patient, rival) = signedInClient("Sam Lee") to signedInClient("Alex Kim")
        val request = bookingRequest()

        val booked = patient.bookAppointment(bookAppointment = request, idempotencyKey = UUID.randomUUID().toString())
        check(booked.status.value == "booked")
        check(booked.startsAt == request.startsAt)

        val problem = refusal(rival, request)
        check("${problem.code}" == "slot_taken") { problem.code }
        val alternatives = checkNotNull(problem.alternatives)
        val alternative = alternatives.first()

        val moved = patient.rescheduleAppointment(
            appointmentId = booked.id,
            rescheduleAppointment = RescheduleAppointment(startsAt = alternative.startsAt, doctorId = alternative.doctorId),
            ifMatch = "\"${booked.version}\"",
        )
        check(moved.status.value == "booked")
        check(moved.startsAt == alternative.startsAt)
        check(moved.version == booked.version + 1)

        val cancelled = patient.cancelAppointment(
            appointmentId = booked.id,
            cancelAppointment = CancelAppointment(reason = "No longer needed"),
        )
        check(cancelled.status.value == "cancelled")
        check(patient.getAppointment(appointmentId = booked.id).status.value == "cancelled")
        val times = "booked ${request.startsAt}, moved to ${moved.startsAt}"
        return "$times, cancelled; ${alternatives.size} alternatives to a booked time"
    }
}

private fun body(refused: ClientException) = (refused.response as ClientError<*>).body as String

fun main(arguments: Array<String>) {
    try {
        println(Journey(arguments.single()).run())
    } catch (refused: ClientException) {
        throw AssertionError(body(refused), refused)
    }
}
