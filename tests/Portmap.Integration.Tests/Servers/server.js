// A Node server as its documentation shows it; libuv sets SO_REUSEADDR by itself. Listens on ::, which takes IPv4 too.
const net = require('node:net');

const server = net.createServer((client) => client.end(`node pid ${process.pid}\n`));
server.listen(Number(process.argv[2]), () => console.log('listening'));
