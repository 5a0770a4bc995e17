// node tracker_client.mjs NODE_MODULES ANNOUNCE_URL INFO_HASH_HEX PORT: announces and scrapes once with
// bittorrent-tracker's client; prints one JSON line: what the tracker answered, the peers, the scrape.
// Its WebRTC peers, which need a native module, are replaced by nothing: HTTP and UDP do without.
import { register } from 'module'
import path from 'path'
import { pathToFileURL } from 'url'

const hook = `export async function resolve (name, context, next) {
  if (!name.includes('simple-peer')) return next(name, context)
  return { url: 'data:text/javascript,export default class {}', shortCircuit: true }
}`
register('data:text/javascript,' + encodeURIComponent(hook))

const [modules, announce, infoHash, port] = process.argv.slice(2)
const { default: Client } = await import(pathToFileURL(path.join(modules, 'bittorrent-tracker/client.js')))
const peerId = Buffer.from('-WW0000-abcdefghij' + String(port).slice(-2).padStart(2, '0'))
const client = new Client({ infoHash, peerId, announce: [announce], port: +port, wrtc: {} })
const peers = []
client.on('error', error => { console.error(error); process.exit(1) })
client.on('warning', error => { console.error(error); process.exit(1) })
client.on('peer', peer => peers.push(peer))
client.once('update', update => {
  client.scrape()
  client.once('scrape', scrape => {
    console.log(JSON.stringify({ complete: update.complete, incomplete: update.incomplete, peers, scrape }))
    client.destroy()
    setTimeout(() => process.exit(0), 200)
  })
})
client.start({ left: 1000 })
