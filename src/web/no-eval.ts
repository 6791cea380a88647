/** Schemas compile themselves where they may; the page's policy forbids that, and says so in the browser's console at each try. */
import * as z from "zod";

z.config({ jitless: true });
