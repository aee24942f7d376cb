using Portmap.TestKit.Crashes;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>Everything that comes to a daemon at random, on all processors in turn, stopped
/// anywhere and opened again: what was acknowledged is there.</summary>
/// <remarks>Which seeds are played: <see cref="Seeds"/>.</remarks>
public sealed class RestartMixTests
{
    private const int Threads = 2, ProcessesOfEach = 2, Runs = 6;

    [Fact]
    public async Task OpenAsync_StoppedAnywhereInAnyMix_LosesNothingThatWasAcknowledged()
    {
        List<Child> children = [.. Enumerable.Range(0, Threads * ProcessesOfEach).Select(_ => Child.Start())];
        try
        {
            int[] processes = [.. children.Select(child => child.Id)];
            await Seeds.ForEachAsync(seed => PlayAsync(seed, processes), Enumerable.Range(1, 25), freshCount: 3);
        }
        finally
        {
            children.ForEach(child => child.Dispose());
        }
    }

    private static async Task PlayAsync(int seed, int[] processes)
    {
        Random random = new(seed);
        CrashBook book = new();
        await using StoreScene scene = await StoreScene.OpenAsync(options =>
            (options.Ports, options.ReuseDelay, options.LeaseTimeout) = ("41000-41007", TimeSpan.Zero, TimeSpan.FromHours(24)));
        for (int run = 0; run < Runs; run++)
        {
            CrashMix[] mixes = [.. processes.Chunk(ProcessesOfEach).Select((own, thread) => new CrashMix(scene.Registry, thread, own, Say))];
            for (int steps = random.Next(80); steps > 0; steps--)
            {
                await StepAsync().Within();
            }

            if (random.Next(2) == 0)
            {
                scene.Store.Hold();   // the daemon ends while this change is on the way to the disk
                _ = StepAsync();
            }

            await scene.KillAndOpenAsync(TimeSpan.FromMilliseconds(1));
            scene.Registry.AssertInvariants();
            book.Check([.. scene.Registry.Snapshot().Entries], FormattableString.Invariant($"run {run}"));

            Task StepAsync() => Processor.Run(random.Next(8), () => mixes[random.Next(Threads)].StepAsync(random));
        }

        void Say(string lines)
        {
            foreach (string line in lines.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                book.Note(line);
            }
        }
    }
}
