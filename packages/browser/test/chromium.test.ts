import { everywhere } from "./pages/everywhere.ts";
import { CHROMIUM, launchChromium } from "./pages/puppeteer.ts";

everywhere("Chromium", CHROMIUM, launchChromium);
