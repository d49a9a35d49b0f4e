import {expect, test} from 'vitest'
import {isChangePrompt, isPasswordPrompt} from '../../../src/ssh/password-prompt.ts'

const PASSWORDS = [
  'Password: ', 'password:', 'Password', 'Enter Password:', 'Please enter your password:', '(alice@gateway) Password: ', "alice's password:", "alice@node1's password: ", 'Password for alice@head:',
  'LDAP Password:', 'UNIX password: ', 'Passwort: ', 'Kennwort:', 'Geben Sie Ihr Passwort ein:', 'Mot de passe : ', 'Mot de passe\u00a0: ', 'Entrez votre mot de passe :', 'Contraseña: ', 'Contrasen\u0303a: ',
  'Senha:', 'Palavra-passe: ', 'Wachtwoord:', 'Lösenord: ', 'Adgangskode: ', 'Hasło: ', 'Heslo:', 'Jelszó: ', 'Пароль: ', 'Parola: ', '密码：', '密碼：', 'パスワード: ', '암호: ',
]

const FACTORS = [
  'Verification code: ', 'One-time password:', 'One-time password (OATH) for `alice\': ', 'Password + token:', '(OTP) Password:', 'Password (OTP): ', 'Second password:', 'Password 2:', 'Password again:', 'Hasło jednorazowe:',
  'Einmalpasswort:', 'Einmal-Passwort: ', 'Mot de passe unique : ', 'Mot de passe à usage unique :', 'Contraseña de un solo uso:', 'Одноразовый пароль:', '一次性密码：', 'ワンタイムパスワード: ', 'Passcode:', 'PIN:',
  'Enter PASSCODE: ', 'Response: ', 'Passcode or option (1-3): ', 'Password or token: ', 'New password: ', 'Enter your password:\nCode: ', 'Your phone: password ', '', `Password${' '.repeat(200)}:`,
]

test.each(PASSWORDS)('"%s" asks for the password of the account', (prompt) => {
  expect(isPasswordPrompt(prompt)).toBe(true)
})

test.each(FACTORS)('"%s" asks for something that is good once, or may be', (prompt) => {
  expect(isPasswordPrompt(prompt)).toBe(false)
})

test('prompts of a change are told from both', () => {
  for (const prompt of ['Current password: ', 'New password: ', 'Retype new password: ', 'You must change it now.\nEnter new UNIX password: ']) expect(isChangePrompt(prompt)).toBe(true)
  for (const prompt of ['Password: ', 'New code: ']) expect(isChangePrompt(prompt)).toBe(false)
})

test('a prompt of any length is judged at once', () => {
  const long = `${"a's ".repeat(500_000)}password:`
  expect(isPasswordPrompt(long) || isChangePrompt(long)).toBe(false)
})
