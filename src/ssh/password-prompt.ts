/** Which of a server's prompts ask for the account's password: those that say nothing but that word, in the languages PAM speaks. */

/** As Linux-PAM, sshd and the usual directory services write it; a code never goes by one of these words alone. */
const PASSWORD = [
  'password', 'passwort', 'kennwort', 'mot de passe', 'contraseña', 'contrasenya', 'contrasinal', 'senha', 'palavra-passe', 'wachtwoord', 'lösenord', 'passord',
  'adgangskode', 'salasana', 'lykilorð', 'hasło', 'heslo', 'jelszó', 'parolă', 'parola', 'parole', 'şifre', 'geslo', 'lozinka', 'zaporka', 'slaptažodis', 'parool', 'salasõna',
  'pasahitza', 'fjalëkalimi', 'пароль', 'парола', 'лозинка', 'κωδικός πρόσβασης', 'συνθηματικό', 'סיסמה', 'ססמה', 'كلمة المرور', 'كلمة السر',
  'パスワード', '密码', '密碼', '암호', '비밀번호', 'mật khẩu', 'kata sandi', 'sandi', 'รหัสผ่าน', 'पासवर्ड', 'कूटशब्द',
]

const BEFORE = [
  String.raw`(please )?(enter|type|provide)( (your|the))?`, 'your', String.raw`\S+[’']s`, '(unix|linux|ldap|kerberos|ad|active directory|windows|domain|account|login|system)',
  String.raw`(bitte )?geben sie (ihr|das)`, String.raw`bitte`, 'ihr', String.raw`(veuillez )?(entrez|entrer|saisissez|saisir)( (votre|le))?`, 'votre',
  String.raw`(introduzca|ingrese|escriba)( (su|la))?`, 'su', String.raw`(digite|insira|introduza)( a)?( sua)?`, String.raw`(inserire|inserisci)( la)?( tua)?`, String.raw`(voer )?uw`, 'ange( ditt)?',
  'введите', String.raw`(podaj|wprowadź)`, 'zadejte', '请输入', '請輸入',
]

const AFTER = [String.raw`(for|of|on|für|von|pour|de|para|di|voor|för|dla|для) \S+`, String.raw`ein`, String.raw`を入力してください`]

const PROMPT = new RegExp(String.raw`^(\([^\s()@]+@[^\s()]+\) )?((${BEFORE.join('|')}) ?){0,3}(${PASSWORD.join('|')})( ?(${AFTER.join('|')})){0,2} ?:?$`, 'iu')

/** Prompts of a change of password, the last line of what PAM says: the old one, the new one, and that again. */
const CHANGE = /^(\([^\s()@]+@[^\s()]+\) )?((enter|re-?type|re-?enter|repeat|confirm) )?(current|old|new) (\S+ )?password( \(again\))? ?:?$/iu

/** NFKC makes full-width colons plain, and one letter of each letter with its mark. */
const plain = (prompt: string) => prompt.normalize('NFKC').replaceAll(/\s+/gu, ' ').trim().toLowerCase()

/** No such prompt is longer, and longer text is a server's to choose. */
const LONGEST = 120

export function isPasswordPrompt(prompt: string): boolean {
  return prompt.length <= LONGEST && PROMPT.test(plain(prompt))
}

export function isChangePrompt(prompt: string): boolean {
  const line = prompt.trimEnd().split('\n').at(-1) ?? ''
  return line.length <= LONGEST && CHANGE.test(plain(line))
}
