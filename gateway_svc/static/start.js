"use strict";

// With a password grant, Swagger UI sends an empty client id as `Basic Og==`. The token endpoint would check it as the credentials of a client.
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
