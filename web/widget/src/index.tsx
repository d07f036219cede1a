import { render } from "preact";

const host = document.createElement("div");
document.body.append(host);
render(<button type="button">Chat</button>, host.attachShadow({ mode: "open" }));
