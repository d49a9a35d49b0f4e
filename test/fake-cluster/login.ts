/** Who may log in to a host, and a record of what was tried. */
import type {AuthContext, AuthenticationType, Connection, KeyboardAuthContext, ParsedKey} from 'ssh2'

export interface LoginRules {
  /**
   * As sshd's AuthenticationMethods: alternatives, each a comma-separated sequence of steps, for example
   * `['publickey', 'password']` or `['publickey,keyboard-interactive']`.
   */
  methods: string[]
  password: string
  /** Rounds of questions of keyboard-interactive; all answers of a round must be right. */
  questions: {prompt: string; answer: string; echo: boolean}[][]
}

/** Something a client tried; never the secret itself. */
export interface Attempt {
  method: AuthenticationType
  user: string
  /** What was offered: `ssh-ed25519 known`, `ssh-rsa unknown`, the number of a round. */
  detail: string
  ok: boolean
}

export interface LoginRecord {
  /** Successful logins: what sshd logs as "Accepted". */
  accepted: number
  attempts: Attempt[]
}

interface Account {
  user: string
  publicKey: ParsedKey
  rules(): LoginRules
}

/** Answers the client's authentication requests until it has passed. */
export function guardLogin(client: Connection, account: Account, record: LoginRecord): void {
  const passed: string[] = []
  client.on('authentication', (request) => {
    void judge(request, account).then(({ok, probe, detail}) => {
      if (probe) return request.accept() // the public half is known: the signature comes next
      if (request.method !== 'none') record.attempts.push({method: request.method, user: request.username, detail, ok})
      if (ok && isNextStep(account.rules().methods, [...passed, request.method])) passed.push(request.method)
      else return request.reject(stepsLeft(account.rules().methods, passed))
      if (!account.rules().methods.some((way) => way === passed.join(','))) {
        return request.reject(stepsLeft(account.rules().methods, passed), true)
      }
      record.accepted++
      request.accept()
    })
  })
}

function isNextStep(methods: readonly string[], steps: readonly string[]): boolean {
  return methods.some((way) => `${way},`.startsWith(`${steps.join(',')},`))
}

function stepsLeft(methods: readonly string[], passed: readonly string[]): AuthenticationType[] {
  const ways = methods.map((way) => way.split(',')).filter((way) => passed.every((step, i) => way[i] === step))
  return [...new Set(ways.map((way) => way[passed.length] as AuthenticationType).filter(Boolean))]
}

interface Judgement {
  ok: boolean
  detail: string
  /** A public key without a signature: the client asks whether signing is worth it. */
  probe?: boolean
}

async function judge(request: AuthContext, account: Account): Promise<Judgement> {
  const rightUser = request.username === account.user
  switch (request.method) {
    case 'publickey': {
      const known = rightUser && request.key.data.equals(account.publicKey.getPublicSSH())
      const detail = `${request.key.algo} ${known ? 'known' : 'unknown'}`
      if (!known) return {ok: false, detail}
      if (!request.signature) return {ok: true, detail, probe: true}
      return {ok: account.publicKey.verify(request.blob!, request.signature, request.hashAlgo) === true, detail}
    }
    case 'password':
      return {ok: rightUser && request.password === account.rules().password, detail: ''}
    case 'keyboard-interactive':
      return askRounds(request, account.rules().questions, rightUser)
    case 'none':
    case 'hostbased':
      return {ok: false, detail: ''}
  }
}

async function askRounds(request: KeyboardAuthContext, rounds: LoginRules['questions'], rightUser: boolean): Promise<Judgement> {
  for (const [i, round] of rounds.entries()) {
    const answers = await new Promise<string[]>((resolve) => {
      request.prompt(
        round.map(({prompt, echo}) => ({prompt, echo})),
        '',
        '',
        (given: unknown) => resolve(Array.isArray(given) ? (given as string[]) : []),
      )
    })
    if (!rightUser || !round.every(({answer}, n) => answers[n] === answer)) return {ok: false, detail: `round ${i + 1}`}
  }
  return {ok: rightUser, detail: `round ${rounds.length}`}
}
