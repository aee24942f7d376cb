using System.CommandLine;
using System.CommandLine.Completions;
using Portmap.Rpc;

namespace Portmap.Tool.Verbs;

/// <summary>The argument OWNER, which the shell completes with the owners that there are.</summary>
internal static class Owners
{
    /// <summary>Somebody waits with a finger on the tab key.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    /// <summary>An owner of the daemon.</summary>
    public static Argument<string> MakeArgument() => MakeArgument(Complete);

    /// <summary>An owner of something else.</summary>
    /// <param name="complete">Which owners there are.</param>
    public static Argument<string> MakeArgument(Func<CompletionContext, IEnumerable<CompletionItem>> complete)
    {
        Argument<string> owner = new("OWNER") { Description = "The name a port is held under; after -- when it begins with a dash." };
        owner.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: string name }] && OwnerName.Complaint(name) is { } complaint)
            {
                result.AddError($"{nameof(PortRefusalReason.InvalidOwner)}: {complaint}");
            }
        });
        owner.CompletionSources.Add(complete);
        return owner;
    }

    private static IEnumerable<CompletionItem> Complete(CompletionContext context)
    {
        try
        {
            return ListAsync(context.ParseResult.GetValue(CommonOptions.Endpoint)).GetAwaiter().GetResult();
        }
        catch (Exception exception) when (exception is IOException or PortRefusedException or FormatException)
        {
            return [];   // without a daemon there is nothing to offer
        }
    }

    private static async Task<IEnumerable<CompletionItem>> ListAsync(PortmapEndpoint? endpoint)
    {
        PortmapClientOptions options = new() { ConnectTimeout = s_patience, CallTimeout = s_patience };
        await using PortmapClient client = await PortmapClient.ConnectAsync(endpoint, options);
        PortSnapshot snapshot = await client.SnapshotAsync();
        return [.. snapshot.Entries.Select(entry => entry.Owner).Where(owner => owner.Length != 0).Distinct().Order(StringComparer.Ordinal).Select(owner => new CompletionItem(owner))];
    }
}
