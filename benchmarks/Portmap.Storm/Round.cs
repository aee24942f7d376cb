using System.Collections.Concurrent;
using System.Globalization;
using Portmap.Storm.Contestants;
using Portmap.Storm.Weather;
using Portmap.Storm.Workers;

namespace Portmap.Storm;

/// <summary>One contestant in one weather.</summary>
internal static class Round
{
    /// <summary>Hands ports to long-lived workers, all of them at once, one after the other to
    /// each.</summary>
    public static async Task<RoundResult> HandOverAsync(IContestant contestant, IReadOnlyList<LineProcess> workers, int handOffs, Interference weather)
    {
        IReadOnlyCollection<(HandOff, bool)> all = [];
        InterferenceRates rates = await weather.MeasureAsync(async () => all = await HandOverAsync(contestant, workers, handOffs));
        return await ResultAsync(contestant, weather, all, rates);
    }

    /// <summary>The same in calm weather.</summary>
    public static async Task<IReadOnlyCollection<(HandOff HandOff, bool IsReached)>> HandOverAsync(IContestant contestant, IReadOnlyList<LineProcess> workers, int handOffs)
    {
        ConcurrentBag<(HandOff, bool)> all = [];
        int taken = 0;
        await Task.WhenAll(workers.Select(worker => Task.Run(() => RunAsync(worker))));
        return all;

        async Task RunAsync(LineProcess worker)
        {
            string owner = string.Create(CultureInfo.InvariantCulture, $"vol0:/bricks/b{worker.Process.Id}");
            while (Interlocked.Increment(ref taken) <= handOffs)
            {
                HandOff handOff = await contestant.HandOverAsync(worker, owner);
                all.Add((handOff, handOff.Failure is null && await Client.ReachesAsync(handOff.Port, worker.Process.Id)));
                await worker.AskAsync(WorkerCommand.Close);
                contestant.Closed(handOff);
            }
        }
    }

    /// <summary>Starts real processes, a few at once.</summary>
    public static async Task<RoundResult> StartAsync(IContestant contestant, int starts, int atOnce, Interference weather)
    {
        ConcurrentBag<(HandOff, bool)> all = [];
        int started = 0;
        InterferenceRates rates = await weather.MeasureAsync(() => Task.WhenAll(Enumerable.Range(0, atOnce).Select(_ => Task.Run(RunAsync))));
        return await ResultAsync(contestant, weather, all, rates);

        async Task RunAsync()
        {
            while (Interlocked.Increment(ref started) is var number && number <= starts)
            {
                (HandOff handOff, IChild process) = await contestant.StartAsync(string.Create(CultureInfo.InvariantCulture, $"vol1:/bricks/b{number}"));
                await using (process)
                {
                    all.Add((handOff, handOff.Failure is null && await Client.ReachesAsync(handOff.Port, process.Id)));
                }

                contestant.Closed(handOff);
            }
        }
    }

    private static async Task<RoundResult> ResultAsync(IContestant contestant, Interference weather, IReadOnlyCollection<(HandOff HandOff, bool IsReached)> all, InterferenceRates rates)
    {
        List<Taker> takers = [];
        foreach (LostNumber lost in all.SelectMany(one => one.HandOff.Lost))
        {
            takers.Add(await weather.WhoTookAsync(lost));
        }

        return RoundResult.Of(contestant.Name, weather.WithAdversary, all, takers, rates);
    }
}
