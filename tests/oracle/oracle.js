// What llhttp makes of octet strings as streams of requests, for the differential oracle.
//
// stdin: entries, each a length in 4 octets (big-endian) and that many octets.  stdout: one line of
// JSON per entry.  The parser is the one inside Node, in this process; no server, no socket.  Strict:
// no lenient flag.  Node's own limit on heads is raised out of the way, since ballast has its own.
'use strict';

const fs = require('fs');

const HEADS_MAX = 1 << 24;
const PROBE = Buffer.from('GET / HTTP/1.1\r\n\r\n');

process.noDeprecation = true;

function binding() {
	let found;

	try {
		found = process.binding('http_parser');
	} catch (error) {
		found = {};
	}
	if (!found.HTTPParser || !process.versions.llhttp) {
		console.error('oracle: this node (%s) has no process.binding("http_parser") with llhttp; ' +
			'node 18 or 20 has', process.version);
		process.exit(3);
	}
	return found;
}

const { HTTPParser, allMethods, methods } = binding();
const METHODS = allMethods || methods;
const hex = (text) => Buffer.from(text, 'latin1').toString('hex');

function fnv(sum, octets) {
	for (const octet of octets)
		sum = Math.imul(sum ^ octet, 16777619) >>> 0;
	return sum;
}

// The requests seen so far, and the one being read.
class Stream {
	constructor() {
		this.requests = [];
		this.begin();
	}

	begin() {
		this.url = '';
		this.open = null;
		this.reading = false;
	}

	// Called with the rest of the url when there are many fields, and for trailers.
	fields(list, url) {
		if (this.open === null)
			this.url += url || '';
	}

	head(method, url, persists) {
		this.persists = persists;
		this.open = { method: METHODS[method] || 'method-' + method, target: this.url + (url || ''), body: 0,
			sum: 2166136261 };
		return 0;
	}

	body(buffer, offset, length) {
		const octets = offset === undefined ? buffer : buffer.subarray(offset, offset + length);

		this.open.body += octets.length;
		this.open.sum = fnv(this.open.sum, octets);
	}

	complete() {
		this.requests.push(this.open);
		this.begin();
	}
}

const row = (r) => r && [hex(r.method), hex(r.target), r.body, r.sum];

function attach(parser, stream) {
	parser[HTTPParser.kOnMessageBegin] = () => {
		stream.begin();
		stream.reading = true;
	};
	parser[HTTPParser.kOnHeaders] = (list, url) => stream.fields(list, url);
	parser[HTTPParser.kOnHeadersComplete] = (major, minor, list, method, url, status, reason,
		upgrade, persists) => stream.head(method, url, persists);
	parser[HTTPParser.kOnBody] = (buffer, offset, length) => stream.body(buffer, offset, length);
	parser[HTTPParser.kOnMessageComplete] = () => stream.complete();
}

// Feeds it all.  The parser stops behind a request to upgrade and would keep quiet about errors from
// then on.  We decline, and begin anew with what follows, if the connection is to persist.
function execute(parser, stream, octets) {
	for (let at = 0;;) {
		const used = parser.execute(octets.subarray(at), 0, octets.length - at);

		if (used instanceof Error)
			return { code: used.code, reason: used.reason, at: at + used.bytesParsed };
		at += used;
		if (at === octets.length)
			return { code: null, reason: null, at };
		if (stream.open !== null || used === 0)
			return { code: 'HPE_UNTOLD', reason: 'error behind a wish to upgrade', at };
		if (!stream.persists)
			return { code: 'HPE_CLOSED_CONNECTION', reason: 'as after any close', at };
		begin(parser, stream);
	}
}

function begin(parser, stream) {
	parser.initialize(HTTPParser.REQUEST, {}, HEADS_MAX, 0);
	attach(parser, stream);
}

// llhttp 6 takes all octets behind a closing request and says nothing: is it deaf by now?
function isDeaf(parser, stream) {
	const before = stream.requests.length;

	parser.execute(PROBE, 0, PROBE.length);
	return stream.requests.length === before;
}

function verdict(parser, octets) {
	const stream = new Stream();
	let outcome, finish, requests, open;

	begin(parser, stream);
	outcome = execute(parser, stream, octets);
	if (outcome.code === null)
		finish = parser.finish();
	if (outcome.code === null && !(finish instanceof Error) && stream.reading && stream.open === null)
		outcome.code = outcome.reason = 'HPE_UNTOLD'; // of a wish to upgrade, at its end
	requests = stream.requests.map(row);
	open = row(stream.open);
	return {
		requests,
		open,
		incomplete: finish instanceof Error || (outcome.code === null && open !== null),
		deaf: outcome.code === null && !stream.reading && requests.length > 0 && isDeaf(parser, stream),
		...outcome,
	};
}

function* entries(input) {
	for (let at = 0; at < input.length;) {
		const length = input.readUInt32BE(at);

		yield input.subarray(at + 4, at + 4 + length);
		at += 4 + length;
	}
}

function main() {
	const parser = new HTTPParser();
	const lines = [];

	for (const octets of entries(fs.readFileSync(0)))
		lines.push(JSON.stringify(verdict(parser, octets)));
	fs.writeFileSync(1, lines.map((line) => line + '\n').join(''));
}

if (process.argv[2] === '--version')
	console.log('node %s, llhttp %s\n%s', process.version, process.versions.llhttp, methods.join(' '));
else
	main();
