import ssh2 from 'ssh2'
import {describe, expect, it} from 'vitest'
import {algorithmsFor} from '../../../src/ssh/algorithms.ts'
import type {Hop} from '../../../src/ssh/host-config.ts'

const hop = (allowed: Partial<Hop>) => ({alias: 'head', kexAlgorithms: [], ciphers: [], macs: [], ...allowed}) as unknown as Hop

describe('algorithmsFor', () => {
  it('is ssh2’s usual list where nothing is said', () => {
    const {kex, cipher, hmac} = algorithmsFor(hop({}), 0)
    expect(cipher[0]).toBe('aes128-gcm@openssh.com')
    expect(kex).toContain('curve25519-sha256')
    expect(kex).not.toContain('diffie-hellman-group1-sha1')
    expect(hmac).toContain('hmac-sha2-256-etm@openssh.com')
  })

  it('keeps to what is allowed, the quickest first, and leaves out what ssh2 does not speak', () => {
    const {kex, cipher, hmac} = algorithmsFor(hop({ciphers: ['aes256-ctr', 'aes256-gcm@openssh.com'], kexAlgorithms: ['sntrup761x25519-sha512', 'curve25519-sha256'], macs: ['umac-64@openssh.com', 'hmac-sha2-512']}), 0)
    expect({kex, cipher, hmac}).toEqual({kex: ['curve25519-sha256'], cipher: ['aes256-gcm@openssh.com', 'aes256-ctr'], hmac: ['hmac-sha2-512']})
  })

  it('takes an old algorithm where the configuration allows it', () => {
    expect(algorithmsFor(hop({ciphers: ['aes128-ctr', '3des-cbc']}), 0).cipher).toEqual(['aes128-ctr', '3des-cbc'])
  })

  it('says what would do where nothing is left', () => {
    expect(() => algorithmsFor(hop({kexAlgorithms: ['sntrup761x25519-sha512']}), 0)).toThrow(/Of the KexAlgorithms that ssh's configuration allows for head jnode speaks none \(sntrup761x25519-sha512\)/)
  })

  it('names only what this ssh2 takes', () => {
    const client = new ssh2.Client()
    client.on('error', () => {})
    expect(() => client.connect({host: '127.0.0.1', port: 1, username: 'x', algorithms: algorithmsFor(hop({ciphers: ['3des-cbc', 'aes128-ctr'], macs: ['hmac-md5', 'hmac-sha1'], kexAlgorithms: ['diffie-hellman-group1-sha1']}), 0) as never})).not.toThrow()
    client.destroy()
  })
})
