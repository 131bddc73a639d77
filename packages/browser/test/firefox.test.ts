import { everywhere } from "./pages/everywhere.ts";
import { FIREFOX, launchFirefox } from "./pages/puppeteer.ts";

everywhere("Firefox", FIREFOX, launchFirefox);
