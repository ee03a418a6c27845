// The main journey with the client of openapi-generator's `java` (library `native`, the JDK's HttpClient): register, find a time,
// book, conflict, move, cancel. Called with the address of the platform.

import careslot.client.ApiClient;
import careslot.client.ApiException;
import careslot.client.api.AppointmentsApi;
import careslot.client.api.CalendarApi;
import careslot.client.api.DoctorsAndServicesApi;
import careslot.client.api.IdentityApi;
import careslot.client.model.BookAppointment;
import careslot.client.model.CancelAppointment;
import careslot.client.model.Problem;
import careslot.client.model.Register;
import careslot.client.model.RescheduleAppointment;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.UUID;

public class Journey {
    private final String url;

    Journey(String url) {
        this.url = url;
    }

    private ApiClient anonymousClient() {
        ApiClient client = new ApiClient();
        client.updateBaseUri(url);
        return client;
    }

    /** Registers a new patient and returns a client that sends the access token. */
    private ApiClient signedInClient(String fullName) throws ApiException {
        var body = new Register().email(UUID.randomUUID() + "@example.com").password("pass phrase " + UUID.randomUUID()).fullName(fullName);
        var request = IdentityApi.APIRegisterRequest.newBuilder().register(body).build();
        var registered = new IdentityApi(anonymousClient()).register(request);
        check(registered.getAccount().getRole().getValue(), "patient");
        var client = anonymousClient();
        client.setRequestInterceptor(outgoing -> outgoing.header("Authorization", "Bearer " + registered.getAccessToken()));
        return client;
    }

    /** Returns a request for the first free time, from three days on, of a service that needs no approval. */
    private BookAppointment bookingRequest() throws ApiException {
        var services = new DoctorsAndServicesApi(anonymousClient())
            .listServices(DoctorsAndServicesApi.APIListServicesRequest.newBuilder().build());
        var service = services.getItems().stream().filter(offered -> !offered.getRequiresApproval()).findFirst().orElseThrow();
        var query = CalendarApi.APIListSlotsRequest.newBuilder()
            .serviceId(service.getId())
            .from(OffsetDateTime.now(ZoneOffset.UTC).plusDays(3))
            .limit(5)
            .build();
        var slot = new CalendarApi(anonymousClient()).listSlots(query).getItems().get(0);
        return new BookAppointment().serviceId(slot.getServiceId()).doctorId(slot.getDoctorId().toString()).startsAt(slot.getStartsAt());
    }

    private static AppointmentsApi.APIBookAppointmentRequest withKey(BookAppointment request) {
        return AppointmentsApi.APIBookAppointmentRequest.newBuilder()
            .bookAppointment(request)
            .idempotencyKey(UUID.randomUUID().toString())
            .build();
    }

    /** Makes the request, which must be refused with 409, and returns the refusal. */
    private static Problem refusal(ApiClient rival, BookAppointment request) throws Exception {
        try {
            new AppointmentsApi(rival).bookAppointment(withKey(request));
        } catch (ApiException refused) {
            check(refused.getCode(), 409);
            return rival.getObjectMapper().readValue(refused.getResponseBody(), Problem.class);
        }
        throw new AssertionError("A booked time was booked again.");
    }

    private String run() throws Exception {
        var patient = signedInClient("Sam Lee");
        var rival = signedInClient("Alex Kim");
        var appointments = new AppointmentsApi(patient);
        var request = bookingRequest();

        var response = appointments.bookAppointmentWithHttpInfo(withKey(request));
        check(response.getStatusCode(), 201);
        var booked = response.getData();
        check(booked.getStatus().getValue(), "booked");
        check(booked.getStartsAt(), request.getStartsAt());
        var etag = response.getHeaders().get("etag").get(0);

        var problem = refusal(rival, request);
        check(String.valueOf(problem.getCode()), "slot_taken");
        var alternative = problem.getAlternatives().get(0);

        var newTime = new RescheduleAppointment().startsAt(alternative.getStartsAt()).doctorId(alternative.getDoctorId());
        var moved = appointments.rescheduleAppointment(AppointmentsApi.APIRescheduleAppointmentRequest.newBuilder()
            .appointmentId(booked.getId())
            .rescheduleAppointment(newTime)
            .ifMatch(etag)
            .build());
        check(moved.getStatus().getValue(), "booked");
        check(moved.getStartsAt(), alternative.getStartsAt());
        check(moved.getVersion(), booked.getVersion() + 1);

        var cancelled = appointments.cancelAppointment(AppointmentsApi.APICancelAppointmentRequest.newBuilder()
            .appointmentId(booked.getId())
            .cancelAppointment(new CancelAppointment().reason("No longer needed"))
            .build());
        check(cancelled.getStatus().getValue(), "cancelled");
        var reading = AppointmentsApi.APIGetAppointmentRequest.newBuilder().appointmentId(booked.getId()).build();
        check(appointments.getAppointment(reading).getStatus().getValue(), "cancelled");
        return "booked %s, moved to %s, cancelled; %d alternatives to a booked time"
            .formatted(request.getStartsAt(), moved.getStartsAt(), problem.getAlternatives().size());
    }

    private static void check(Object actual, Object expected) {
        if (!expected.equals(actual)) throw new AssertionError("expected " + expected + ", got " + actual);
    }

    public static void main(String[] arguments) throws Exception {
        System.out.println(new Journey(arguments[0]).run());
    }
}
