#!/usr/bin/env node
// The command `millrace`. It is committed, so that npm links it before the first build.
import '../dist/main.js';
