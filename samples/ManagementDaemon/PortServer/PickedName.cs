using System.Globalization;

namespace ManagementDaemon.PortServer;

/// <summary>The owner that a picked port is held under: it tells whose it is, also after a restart
/// of the daemon.</summary>
/// <param name="ProcessId">The process it was picked for.</param>
/// <param name="StartTime">When that started, in clock ticks since the boot.</param>
/// <param name="Number">Which of its ports.</param>
internal readonly record struct PickedName(int ProcessId, long StartTime, int Number)
{
    private const string Prefix = "portpicker";

    public static bool TryParse(string owner, out PickedName name)
    {
        name = default;
        if (owner.Split('/') is not [Prefix, var process, var start, var number]
            || !int.TryParse(process, NumberStyles.None, CultureInfo.InvariantCulture, out int processId)
            || !long.TryParse(start, NumberStyles.None, CultureInfo.InvariantCulture, out long startTime)
            || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int place))
        {
            return false;
        }

        name = new PickedName(processId, startTime, place);
        return true;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Prefix}/{ProcessId}/{StartTime}/{Number}");
}
