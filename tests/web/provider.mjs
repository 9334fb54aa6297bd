// A real provider of OpenID Connect for the tests, with its own forms for log-in and consent.
import Provider from "oidc-provider";
const [port, callback] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: "archive", client_secret: "kept-by-two", redirect_uris: [callback] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username"] },
  pkce: { required: () => true },
  async findAccount(_, id) {
    const [name, doubt] = id.split("+");
    const claims = { sub: id, email: name, email_verified: doubt !== "doubtful" };
    return { accountId: id, claims: async () => ({ ...claims, preferred_username: name }) };
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
