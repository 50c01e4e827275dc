"use strict";
document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
// No validator: it would send the document to somebody else's host.
SwaggerUIBundle({ url: "/openapi.yaml", dom_id: "#rest", deepLinking: true, validatorUrl: null, docExpansion: "list" });
