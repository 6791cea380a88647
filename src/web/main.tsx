/** The web console's entry: the page at `/`. */
// Before any schema is made.
import "./no-eval.ts";

import { render } from "preact";
import { App } from "./page/app.tsx";
import { listenForKeys } from "./page/keys.ts";
import { enterAgain } from "./page/standing.ts";

listenForKeys(window);
render(<App />, document.getElementById("app") ?? document.body);
void enterAgain();
