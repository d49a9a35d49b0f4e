// An SSH server that lets everybody in and prints what it is sent: the connection, the names of users and their secrets.
import {generateKeyPairSync} from 'node:crypto'
import ssh2 from 'ssh2'

const {privateKey} = generateKeyPairSync('rsa', {modulusLength: 2048, privateKeyEncoding: {type: 'pkcs1', format: 'pem'}, publicKeyEncoding: {type: 'pkcs1', format: 'pem'}})
const server = new ssh2.Server({hostKeys: [privateKey]}, (client) => {
  console.log('connected')
  client.on('error', () => {})
  client.on('authentication', (ctx) => {
    console.log(`${ctx.method} ${ctx.password ?? ''}`)
    if (ctx.method === 'none') return ctx.reject(['password'])
    ctx.accept()
  })
})
server.listen(Number(process.argv[2]), () => console.log('listening'))
