import axios from "axios";
import { describeContract } from "./contract-in-node.ts";

describeContract(axios.VERSION);
