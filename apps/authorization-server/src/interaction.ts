import type Provider from "oidc-provider";
import type { Context, Interaction, InteractionResult, Prompt } from "oidc-provider";
import { interactionPolicy } from "oidc-provider";
import { isAccountName } from "./accounts.ts";

const path = "/interaction/";

/** What is granted for a resource, whichever it is (RFC 8707). */
export const resourceScope = "api";

/** Where the provider sends a browser that has to sign in or to consent. */
export function interactionUrl(_context: unknown, interaction: { readonly uid: string }): string {
  return path + interaction.uid;
}

/** The provider's own prompts, and one check more: a `login_hint` that names another account asks again. */
export function interactionPrompts(): { get(prompt: "login" | "consent"): Prompt } {
  const prompts = interactionPolicy.base();
  prompts
    .get("login")
    .checks.add(new interactionPolicy.Check("other_account", "another account is asked for", asksForAnother));
  return prompts;
}

function asksForAnother({ oidc }: Context): boolean {
  const hint = oidc.params?.login_hint;
  return hint !== undefined && hint !== oidc.session.accountId;
}

/**
 * Answers interactions without a human: the account that `login_hint` names is signed in, what was asked for
 * is granted, and the browser goes back where it came from. No page, only redirects.
 */
export function answerInteractions(provider: Provider): void {
  provider.use(async (context, next) => {
    if (!context.path.startsWith(path)) return next();
    const interaction = await provider.interactionDetails(context.req, context.res);
    const result = await answer(provider, interaction);
    context.redirect(await provider.interactionResult(context.req, context.res, result));
  });
}

async function answer(provider: Provider, interaction: Interaction): Promise<InteractionResult> {
  const accountId = interaction.params.login_hint ?? "";
  if (!isAccountName(accountId)) {
    return { error: "access_denied", error_description: "login_hint names no account" };
  }
  const switched = await leaveOtherAccount(provider, interaction, accountId);
  const grantId = await grant(provider, interaction, accountId, switched ? undefined : interaction.grantId);
  return { login: { accountId }, consent: { grantId } };
}

// The provider would ask a person, with a form, whether to leave the account the browser is signed in to.
async function leaveOtherAccount(
  provider: Provider,
  interaction: Interaction,
  accountId: string,
): Promise<boolean> {
  const { session } = interaction;
  if (session === undefined || session.accountId === accountId) return false;
  await (await provider.Session.findByUid(session.uid))?.destroy();
  interaction.session = undefined;
  await interaction.persist();
  return true;
}

async function grant(
  provider: Provider,
  { params }: Interaction,
  accountId: string,
  earlier: string | undefined,
): Promise<string> {
  const found = earlier === undefined ? undefined : await provider.Grant.find(earlier);
  const granted = found ?? new provider.Grant({ accountId, clientId: params.client_id });
  granted.addOIDCScope(params.scope ?? "");
  for (const resource of [params.resource ?? []].flat()) granted.addResourceScope(resource, resourceScope);
  return granted.save();
}
