import axios from "axios";
import { describeAxios } from "./every-axios.ts";

describeAxios(axios.VERSION);
