using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Portmap.Rpc;

namespace Portmap.Storm.Workers;

/// <summary>A server that is started for its port and ends with it: on the number of its argument,
/// or as a worker of the registry when it has none.</summary>
internal static class StartCommand
{
    public const string Verb = "start";

    public static async Task<int> RunAsync(string[] port)
    {
        try
        {
            await using Serving serving = port is [var number] ? Serving.OnNumber(int.Parse(number, CultureInfo.InvariantCulture)) : await Serving.AsWorkerAsync();
            Console.WriteLine(WorkerCommand.Listening + serving.Lost);
            await Console.In.ReadLineAsync();
            return ExitCode.Success;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            Console.WriteLine(WorkerCommand.Taken + Stopwatch.GetTimestamp().ToString(CultureInfo.InvariantCulture));
            return ExitCode.Failure;
        }
        catch (Exception e) when (e is SocketException or PortRefusedException or PortmapUnreachableException or IOException)
        {
            Console.Error.WriteLine(e.Message);
            return ExitCode.Failure;
        }
    }
}
