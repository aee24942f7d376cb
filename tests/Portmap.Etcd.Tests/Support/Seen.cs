using System.Runtime.CompilerServices;

namespace Portmap.Etcd.Tests.Support;

/// <summary>Waits for what a map shows, or for what nothing tells of.</summary>
internal static class Seen
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(10);

    /// <summary>Follows the map until it is so.</summary>
    public static async Task UntilAsync(this FleetMap map, Func<FleetMap, bool> isSo, TimeSpan? limit = null, [CallerArgumentExpression(nameof(isSo))] string what = "")
    {
        using CancellationTokenSource source = Deadline.Source(limit);
        try
        {
            await foreach (FleetUpdate _ in map.WatchAsync(source.Token))
            {
                if (isSo(map))
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Said below.
        }

        throw new TimeoutException($"The map never showed {what}; it has {map.Count} entries at revision {map.Revision}, {map.Staleness} old.");
    }

    /// <summary>Looks again and again until it is so.</summary>
    public static async Task UntilAsync(Func<bool> isSo, TimeSpan? limit = null, [CallerArgumentExpression(nameof(isSo))] string what = "")
    {
        using CancellationTokenSource source = Deadline.Source(limit);
        using PeriodicTimer timer = new(s_look);
        while (!isSo())
        {
            try
            {
                await timer.WaitForNextTickAsync(source.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"Never: {what}");
            }
        }
    }

    /// <summary>The map has seen all that was written until now; what is put right at once it never
    /// shows to who looks from time to time.</summary>
    public static async Task UntilCaughtUpAsync(this Host looker, EtcdCluster etcd)
    {
        long written = await etcd.RevisionAsync();
        await UntilAsync(() => looker.Map.Revision >= written);
    }

    /// <summary>This map says of a host exactly what its registry says.</summary>
    public static async Task UntilSameAsync(this Host looker, Host publisher, TimeSpan? limit = null)
    {
        try
        {
            await looker.Map.UntilAsync(_ => looker.Sees(publisher.Options.Host).SequenceEqual(publisher.Serves()), limit);
        }
        catch (TimeoutException exception)
        {
            looker.Sees(publisher.Options.Host).Should().Equal(publisher.Serves(), "{0} Log: {1} Looker: {2}", exception.Message, string.Join('\n', publisher.Log.Lines), string.Join('\n', looker.Log.Lines));
        }
    }
}
