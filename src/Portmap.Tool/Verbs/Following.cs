using System.Text.Json;
using Portmap.Tool.Output;

namespace Portmap.Tool.Verbs;

/// <summary>What the verbs have in common that follow a map until Ctrl+C.</summary>
internal static class Following
{
    /// <summary>Writes each update as it comes, until Ctrl+C or until the reader of the pipe has
    /// gone.</summary>
    /// <param name="run">The run.</param>
    /// <param name="follow">Begins to follow.</param>
    /// <param name="write">Writes an update; its second argument says whether another one came
    /// before.</param>
    /// <param name="beside">What runs meanwhile.</param>
    /// <param name="cancellationToken">Ctrl+C.</param>
    public static async Task<int> RunAsync<T>(
        Invocation run, Func<CancellationToken, IAsyncEnumerable<T>> follow, Action<T, bool> write, Func<CancellationToken, Task> beside, CancellationToken cancellationToken)
    {
        CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);   // never disposed: the reader may go when we have ended
        if (Console.IsOutputRedirected && OperatingSystem.IsLinux())
        {
            StandardOutput.WhenReaderGone(end.Cancel);
        }

        Task meanwhile = beside(end.Token);
        bool isLater = false;
        try
        {
            await foreach (T update in follow(end.Token))
            {
                write(update, isLater);
                isLater = true;
                await run.Out.FlushAsync(end.Token);
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // Ctrl+C is how it ends, or a reader that has read enough.
        }
        catch
        {
            await end.CancelAsync();
            await meanwhile.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // what went wrong is the last word
            throw;
        }

        await meanwhile;
        return ExitCode.Done;
    }

    /// <summary>Says that a snapshot comes: for people only where it takes the place of what they
    /// were told before.</summary>
    public static void TellSnapshot(Invocation run, long revision, int entries, bool isAgain)
    {
        if (run.Json)
        {
            Lines.Write(run.Out, json =>
            {
                json.WriteString("event", "snapshot");
                json.WriteNumber("revision", revision);
                json.WriteNumber("entries", entries);
            });
        }
        else if (isAgain)
        {
            run.Out.WriteLine(Words.Text($"{run.Now.ToLocalTime():HH:mm:ss.fff} {"snapshot",-17} {entries} entries follow"));
        }
    }

    /// <summary>Writes what became of an entry as a line of JSON.</summary>
    public static void TellEntry(Invocation run, long revision, string what, Action<Utf8JsonWriter> fields) =>
        Lines.Write(run.Out, json =>
        {
            json.WriteString("event", what);
            json.WriteNumber("revision", revision);
            json.WriteStartObject("entry");
            fields(json);
            json.WriteEndObject();
        });
}
