"use strict";

// The document has HEAD for programs; people know it as GET without the body.
const withoutHead = () => ({
  statePlugins: {
    spec: {
      wrapSelectors: {
        taggedOperations: (original) => (state, ...rest) =>
          original(state, ...rest).map((tag) =>
            tag.update("operations", (operations) =>
              operations.filter((operation) => operation.get("method") !== "head"),
            ),
          ),
      },
    },
  },
});

SwaggerUIBundle({
  dom_id: "#api",
  url: "openapi.json",
  plugins: [withoutHead],
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  // Else Swagger UI sends the document's address to a host of its own.
  validatorUrl: null,
});
