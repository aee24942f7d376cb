using System.CommandLine;
using System.CommandLine.Completions;
using System.Security.Cryptography;
using Portmap.Rpc;

namespace Portmap.Tool.Verbs;

/// <summary>The argument OWNER, which the shell completes with the owners that there are.</summary>
internal static class Owners
{
    /// <summary>An owner of the daemon.</summary>
    public static Argument<string> MakeArgument() => MakeArgument(ListAsync);

    /// <summary>An owner of something else.</summary>
    /// <param name="listAsync">The owners that there are, as a command line says where to look.</param>
    public static Argument<string> MakeArgument(Func<Invocation, Task<IEnumerable<string>>> listAsync)
    {
        Argument<string> owner = new("OWNER") { Description = "The name a port is held under; after -- when it begins with a dash." };
        owner.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: string name }] && OwnerName.Complaint(name) is { } complaint)
            {
                result.AddError($"{nameof(PortRefusalReason.InvalidOwner)}: {complaint}");
            }
        });
        owner.CompletionSources.Add(context => Complete(context.ParseResult, listAsync));
        return owner;
    }

    private static IEnumerable<CompletionItem> Complete(ParseResult arguments, Func<Invocation, Task<IEnumerable<string>>> listAsync)
    {
        try
        {
            using Invocation run = Invocation.ForCompletion(arguments);
            IEnumerable<string> owners = listAsync(run).GetAwaiter().GetResult();
            // One that begins with a dash would be read as an option.
            return [.. owners.Where(owner => owner.Length != 0 && owner[0] != '-').Distinct().Order(StringComparer.Ordinal).Select(owner => new CompletionItem(owner))];
        }
        catch (Exception exception) when (NoAnswer.Is(exception) || exception is PortRefusedException or FormatException or CryptographicException or UnauthorizedAccessException)
        {
            return [];   // nobody answers: there is nothing to offer
        }
        catch (InvalidOperationException)
        {
            return [];   // an option of the line has a value that it cannot have: the verb will say so when it runs
        }
    }

    private static async Task<IEnumerable<string>> ListAsync(Invocation run)
    {
        await using PortmapClient client = await run.ConnectAsync(CancellationToken.None);
        PortSnapshot snapshot = await client.SnapshotAsync();
        return snapshot.Entries.Select(entry => entry.Owner);
    }
}
