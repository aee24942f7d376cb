using Portmap.Storm.Contestants;
using Portmap.Storm.Reporting;
using Portmap.Storm.Weather;
using Portmap.Storm.Workers;

namespace Portmap.Storm;

/// <summary>The storm itself, inside its namespace: every contestant in every weather.</summary>
internal static class StormCommand
{
    public static async Task<int> RunAsync(StormPlan plan)
    {
        new Thread(EndWithParent) { IsBackground = true }.Start();
        List<RoundResult> handOffs = [], starts = [];
        HandOffPrice price = new();
        List<LineProcess> workers = [.. Enumerable.Range(0, plan.Workers).Select(_ => new LineProcess(Self.StartWarm(WorkerCommand.Verb)))];
        IReadOnlyList<Contestant> entered = [.. Contestant.All.Where(contestant => contestant.IsBrief || !plan.IsBrief)];
        foreach (Contestant one in entered.Where(one => one.TakesHandOffs))
        {
            await using IContestant contestant = await one.EnterAsync();
            await Round.HandOverAsync(contestant, workers, StormPlan.WarmUps * plan.Workers);
        }

        foreach (bool withAdversary in (bool[])[false, true])
        {
            await using Interference weather = new(withAdversary);
            await weather.WhenUnderWayAsync();
            foreach (Contestant one in entered)
            {
                await using IContestant contestant = await one.EnterAsync();
                if (one.TakesHandOffs)
                {
                    handOffs.Add(await Round.HandOverAsync(contestant, workers, plan.HandOffs, weather));
                }

                if (withAdversary)
                {
                    starts.Add(await Round.StartAsync(contestant, plan.StartsOf(one), plan.StartsAtOnce, weather));
                }
            }

            for (int turn = 0; turn < StormPlan.Turns && !withAdversary; turn++)
            {
                await price.MeasureAsync(async one =>
                {
                    await using IContestant contestant = await one.EnterAsync();
                    return await Round.HandOverAsync(contestant, workers, StormPlan.HandOffsInATurn, weather);
                });
            }
        }

        await Task.WhenAll(workers.Select(worker => worker.DisposeAsync().AsTask()));
        Tables.Print(plan, handOffs, starts);
        if (!plan.IsBrief)
        {
            Chart.Draw(handOffs, starts, Path.Combine("artifacts", "storm"));
        }

        return Expectations.Check(plan, handOffs, starts, price) ? ExitCode.Success : ExitCode.Failure;
    }

    /// <summary>The standard input ends with the process that started this one; what this one has
    /// started ends the same way.</summary>
    private static void EndWithParent()
    {
        Console.In.ReadToEnd();
        Environment.Exit(ExitCode.Failure);
    }
}
