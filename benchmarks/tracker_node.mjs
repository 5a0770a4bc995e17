// node tracker_node.mjs NODE_MODULES PORT PEERS: bittorrent-tracker, UDP and HTTP, on loopback.
// It silently keeps 1000 peers a swarm; PEERS lifts that, so that all trackers hold the same swarms.
// server.js is imported by path, because the package's index would load its WebRTC client.
import path from 'path'
import { pathToFileURL } from 'url'

const [modules, port, peers] = process.argv.slice(2)
const { default: Server } = await import(pathToFileURL(path.join(modules, 'bittorrent-tracker/server.js')))
const server = new Server({ udp: true, http: true, ws: false, stats: false, peersCacheLength: +peers })
server.on('error', error => { console.error(error); process.exit(1) })
server.on('warning', () => {})
server.listen(+port, { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' }, () => console.log('ready'))
