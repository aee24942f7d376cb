using System.CommandLine;
using Portmap.Rpc;
using Portmap.Tool.Output;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap ping</c>: whether a daemon answers, and how fast.</summary>
internal static class PingVerb
{
    public static Command Make() => new Command("ping", "Asks the daemon for an answer and says how long it took.").Does(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken cancellationToken)
    {
        await using PortmapClient client = await run.ConnectAsync(cancellationToken);
        long started = run.Time.GetTimestamp();
        await client.PingAsync(cancellationToken);
        double milliseconds = run.Time.GetElapsedTime(started).TotalMilliseconds;
        if (run.Json)
        {
            Lines.Write(run.Out, json =>
            {
                json.WriteString("endpoint", client.Endpoint.ToString());
                json.WriteNumber("milliseconds", Math.Round(milliseconds, 3));
            });
        }
        else
        {
            await run.Out.WriteLineAsync(Words.Text($"The daemon at {Words.Of(client.Endpoint.ToString())} answers, in {milliseconds:0.0} ms."));
        }

        return ExitCode.Done;
    }
}
