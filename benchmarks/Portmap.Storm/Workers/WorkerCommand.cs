using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Portmap.Rpc;

namespace Portmap.Storm.Workers;

/// <summary>A long-lived child: binds and listens on command.</summary>
/// <remarks><c>number PORT</c> and <c>environment KEY=VALUE TAB KEY=VALUE…</c> are answered with
/// <c>listening PORT:TIME…</c> (the numbers that were lost before), <c>taken TIME</c> or <c>failed
/// REASON</c>; <c>close</c> with <c>closed</c>. Times are those of
/// <see cref="Stopwatch.GetTimestamp"/>.</remarks>
internal static class WorkerCommand
{
    public const string Verb = "worker";
    public const string Number = "number ";
    public const string FromEnvironment = "environment ";
    public const string Asks = "asks ";
    public const string Close = "close";
    public const string Listening = "listening ";
    public const string Taken = "taken ";
    public const string Failed = "failed ";

    public static async Task<int> RunAsync()
    {
        Serving? serving = null;
        while (await Console.In.ReadLineAsync() is { } line)
        {
            try
            {
                if (line == Close)
                {
                    await (serving?.DisposeAsync() ?? ValueTask.CompletedTask);
                    serving = null;
                    Console.WriteLine("closed");
                    continue;
                }

                if (line.StartsWith(Asks, StringComparison.Ordinal))
                {
                    (serving, int port) = await PortServerLines.ListenAsync(line[Asks.Length..]);
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Listening}{port}"));
                    continue;
                }

                serving = line.StartsWith(Number, StringComparison.Ordinal)
                    ? Serving.OnNumber(int.Parse(line.AsSpan(Number.Length), CultureInfo.InvariantCulture))
                    : await FromLineAsync(line[FromEnvironment.Length..]);
                Console.WriteLine(Listening + serving.Lost);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                Console.WriteLine(Taken + Stopwatch.GetTimestamp().ToString(CultureInfo.InvariantCulture));
            }
            catch (Exception e) when (e is SocketException or PortRefusedException or PortmapUnreachableException or IOException)
            {
                Console.WriteLine(Failed + e.Message.ReplaceLineEndings(" "));
            }
        }

        return ExitCode.Success;
    }

    private static Task<Serving> FromLineAsync(string variables)
    {
        foreach (string variable in variables.Split('\t'))
        {
            int end = variable.IndexOf('=', StringComparison.Ordinal);
            Environment.SetEnvironmentVariable(variable[..end], variable[(end + 1)..]);
        }

        return Serving.AsWorkerAsync();
    }
}
