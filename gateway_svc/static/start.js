"use strict";

// Swagger UI sends an empty client as `Basic Og==` with a password grant; the token endpoint knows people by their password alone.
function withoutEmptyClient(request) {
  if (request.headers && request.headers.Authorization === "Basic Og==") {
    delete request.headers.Authorization;
  }
  return request;
}

window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
  tryItOutEnabled: true,
  requestInterceptor: withoutEmptyClient,
});
