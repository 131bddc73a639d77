import { everywhere } from "./pages/everywhere.ts";
import { launchWebKit, WEBKIT } from "./pages/webkit.ts";

everywhere("WebKitGTK", WEBKIT, launchWebKit);
